package job

import (
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
	fields := strings.Fields(line)
	if len(fields) == 5 { // cron says 0 for Sunday, and many people 7
		days := strings.Split(fields[4], ",")
		for i, day := range days {
			if first, ok := strings.CutSuffix(day, "7"); ok && (first == "" || strings.HasSuffix(first, "-")) {
				days[i] = "0"
				if first != "" {
					days[i] = first + "6,0"
				}
			}
		}
		fields[4] = strings.Join(days, ",")
	}
	s, err := cron.ParseStandard(strings.Join(fields, " "))
	if len(fields) != 5 {
		err = fmt.Errorf("it has not five fields but %d", len(fields))
	}
	if err != nil {
		return schedule{}, usage("schedule "+line, err,
			`write minute, hour, day of the month, month, day of the week, such as "0 3 * * *" for three o'clock each day`)
	}
	if spec, ok := s.(*cron.SpecSchedule); ok {
		spec.Location = zone
	}
	return schedule{s}, nil
}
