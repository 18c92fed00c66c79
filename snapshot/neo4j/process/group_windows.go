package process

import (
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a job object, which holds the launcher and all that it starts. It
// also ends them when snapferry itself ends, whatever the reason.
type group struct {
	job windows.Handle
}

func (g *group) start(cmd *exec.Cmd) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return err
	}
	if err = setLimits(job, jobLimits()); err == nil {
		cmd.SysProcAttr.CreationFlags |= windows.CREATE_NEW_PROCESS_GROUP
		err = cmd.Start()
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return err
	}
	g.job = job
	if err := g.assign(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = windows.CloseHandle(job)
		return err
	}
	return nil
}

// Attributes are those of who we are: there are no numbers of users.
func (o *Owner) Attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// OwnerOf is nil: programs run as who we are.
func OwnerOf(string) (*Owner, error) { return nil, nil } //nolint:nilnil // as who we are

// assign puts the launcher into the job. It starts a JVM before it forks the
// second one, which takes far longer than to get here.
func (g *group) assign(pid int) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return err
	}
	defer windows.CloseHandle(process)
	return windows.AssignProcessToJobObject(g.job, process)
}

// yield gives all processes of the job the lowest priority. Should that fail,
// the run is less considerate, and that is all.
func (g *group) yield() {
	limits := jobLimits()
	limits.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_PRIORITY_CLASS
	limits.BasicLimitInformation.PriorityClass = windows.IDLE_PRIORITY_CLASS
	_ = setLimits(g.job, limits)
}

func jobLimits() *windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION {
	limits := &windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	return limits
}

func setLimits(job windows.Handle, limits *windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION) error {
	_, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(limits)), uint32(unsafe.Sizeof(*limits)))
	return err
}

// terminate is kill: a process without a console cannot be asked to end.
func (g *group) terminate() { g.kill() }

func (g *group) kill() { _ = windows.TerminateJobObject(g.job, 1) }

// jobAccounting is JOBOBJECT_BASIC_ACCOUNTING_INFORMATION of winnt.h.
type jobAccounting struct {
	totalUserTime, totalKernelTime           int64
	thisPeriodUserTime, thisPeriodKernelTime int64
	totalPageFaultCount, totalProcesses      uint32
	activeProcesses, totalTerminated         uint32
}

// gone reports whether no process of the job is left.
func (g *group) gone() bool {
	var accounting jobAccounting
	err := windows.QueryInformationJobObject(g.job, windows.JobObjectBasicAccountingInformation,
		uintptr(unsafe.Pointer(&accounting)), uint32(unsafe.Sizeof(accounting)), nil)
	return err == nil && accounting.activeProcesses == 0
}

func (g *group) close() error { return windows.CloseHandle(g.job) }

// Ask fails: a process without a console cannot be asked to end.
func Ask(int) error { return windows.ERROR_NOT_SUPPORTED }

// KillGroup has nothing to do: the job object of a run ends with it.
func KillGroup(int) {}

// Gone is true: the job object of a run ends with it.
func Gone(int) bool { return true }
