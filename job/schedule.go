package job

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule is a crontab line in a time zone. As with most schedulers, a run at
// an hour that a change of clocks leaves out does not take place.
type schedule struct{ cron.Schedule }

// parseSchedule reads the five fields of a crontab line, whose times are those
// of zone.
func parseSchedule(line string, zone *time.Location) (schedule, error) {
	const hint = `write minute, hour, day of the month, month, day of the week, such as "0 3 * * *" for three o'clock each day`
	fields := strings.Fields(line)
	if len(fields) != 5 {
		return schedule{}, usage("schedule "+line, fmt.Errorf("it has not five fields but %d", len(fields)), hint)
	}
	if strings.Contains(line, "=") { // the parser would read a time zone, or panic
		return schedule{}, usage("schedule "+line, errors.New("its zone is that of the vault"), hint)
	}
	days := strings.Split(fields[4], ",") // cron says 0 for Sunday, and many people 7
	for i, day := range days {
		if first, ok := strings.CutSuffix(day, "7"); ok && (first == "" || strings.HasSuffix(first, "-")) {
			days[i] = "0"
			if first != "" {
				days[i] = first + "6,0"
			}
		}
	}
	fields[4] = strings.Join(days, ",")
	s, err := cron.ParseStandard(strings.Join(fields, " "))
	if err != nil {
		return schedule{}, usage("schedule "+line, err, hint)
	}
	if spec, ok := s.(*cron.SpecSchedule); ok {
		spec.Location = zone
	}
	return schedule{s}, nil
}
