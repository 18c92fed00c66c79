package job

import (
	"strings"
	"testing"
	"testing/fstest"
)

// systemOf makes a file system of what Linux tells.
func systemOf(pairs ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

const meminfo = "MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    4000000 kB\n"

func TestReadMemory(t *testing.T) {
	const v1 = "sys/fs/cgroup/memory"
	for name, c := range map[string]struct {
		root        fstest.MapFS
		total, free int64
	}{
		"no groups":  {systemOf("proc/meminfo", meminfo), 8_000_000 << 10, 4_000_000 << 10},
		"v2, no max": {systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "0::/a\n", "sys/fs/cgroup/a/memory.max", "max\n"), 8_000_000 << 10, 4_000_000 << 10},
		"v2": {systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max", "1000000000\n",
			"sys/fs/cgroup/a/b/memory.current", "900000000\n", "sys/fs/cgroup/a/b/memory.stat", "anon 1\ninactive_file 300000000\n"), 1e9, 4e8},
		"v2, around it": {systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max", "max\n",
			"sys/fs/cgroup/a/memory.max", "500000000\n", "sys/fs/cgroup/a/memory.current", "100000000\n"), 5e8, 4e8},
		"v2, a container": {systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "268435456\n",
			"sys/fs/cgroup/memory.current", "268435456\n"), 256 << 20, 0},
		"v2, above its root": {systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "0::/../../x\n", "sys/fs/cgroup/x/memory.max", "1000\n"), 1000, 1000},
		"v1": {systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/abc\n", v1+"/memory.limit_in_bytes", "1000000000\n",
			v1+"/memory.usage_in_bytes", "600000000\n", v1+"/memory.stat", "total_inactive_file 100000000\n"), 1e9, 5e8},
		"v1, no limit": {systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "4:memory:/\n", v1+"/memory.limit_in_bytes", "9223372036854771712\n",
			v1+"/memory.usage_in_bytes", "600000000\n"), 8_000_000 << 10, 4_000_000 << 10},
		"a group larger than the machine": {systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "99999999999999\n",
			"sys/fs/cgroup/memory.current", "1\n"), 8_000_000 << 10, 4_000_000 << 10},
	} {
		if m, ok := readMemory(c.root); !ok || m.total != c.total || m.free != c.free {
			t.Errorf("%s: %+v, %v, want %d of %d", name, m, ok, c.free, c.total)
		}
	}
	for name, root := range map[string]fstest.MapFS{"another system": systemOf(), "nonsense": systemOf("proc/meminfo", "MemTotal: x\n")} {
		if m, ok := readMemory(root); ok {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestCheckMemory(t *testing.T) {
	const group = "sys/fs/cgroup/"
	for _, c := range []struct {
		root    fstest.MapFS
		memory  int64
		verdict Verdict
		says    string
	}{
		{systemOf("proc/meminfo", meminfo), 0, Green, "3906 MiB of 7812 MiB are free, --max-memory is 256 MiB"},
		{systemOf("proc/meminfo", meminfo), 5 << 30, Yellow, "--max-memory is 5120 MiB"},
		{systemOf("proc/meminfo", meminfo, "proc/self/cgroup", "0::/", group+"memory.max", "134217728"), 0, Red, "of 128 MiB"},
		{systemOf(), 0, Unknown, "does not tell"},
	} {
		s := (&Runner{Tuning: Tuning{MaxMemory: c.memory}}).newSession()
		if got := s.checkMemory(c.root); got.Verdict != c.verdict || !strings.Contains(got.Detail, c.says) || (got.Hint == "") != (c.verdict == Green || c.verdict == Unknown) {
			t.Errorf("%+v, want %s", got, c.verdict)
		}
	}
}

// Whatever the files hold, what is free is within what there is.
func FuzzReadMemory(f *testing.F) {
	f.Add(meminfo, "0::/a/b\n", "1000000", "900000", "inactive_file 5\n")
	f.Add("MemTotal: 1 kB\nMemAvailable: 2 kB", "0::/..", "max", "-1", "inactive_file -5")
	f.Fuzz(func(t *testing.T, info, groups, limit, usage, stat string) {
		root := systemOf("proc/meminfo", info, "proc/self/cgroup", groups)
		for _, at := range []string{"", "a/", "a/b/"} {
			for name, text := range map[string]string{"memory.max": limit, "memory.current": usage, "memory.stat": stat} {
				root["sys/fs/cgroup/"+at+name] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		if m, ok := readMemory(root); ok && (m.free < 0 || m.total < 0 || m.free > m.total) {
			t.Errorf("%+v", m)
		}
	})
}
