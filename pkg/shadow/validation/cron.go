// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cronFields are the five parts of a schedule.
var cronFields = []struct {
	name      string
	low, high int
	names     map[string]int
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, numbered(1, "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")},
	{"day of week", 0, 6, numbered(0, "sun", "mon", "tue", "wed", "thu", "fri", "sat")},
}

func numbered(first int, names ...string) map[string]int {
	m := make(map[string]int, len(names))
	for i, name := range names {
		m[name] = first + i
	}
	return m
}

// cronSchedule checks schedules as the CronJob controller reads them: five fields
// of lists of ranges with steps, or a name like @daily.
func cronSchedule(schedule string) error {
	if strings.Contains(schedule, "TZ") {
		return fmt.Errorf("must not name a time zone; use `timeZone`")
	}
	if strings.HasPrefix(schedule, "@") {
		return namedSchedule(schedule)
	}
	parts := strings.Fields(schedule)
	if len(parts) != len(cronFields) {
		return fmt.Errorf("must have %d fields, not %d", len(cronFields), len(parts))
	}
	for i, part := range parts {
		items := strings.FieldsFunc(part, func(r rune) bool { return r == ',' })
		if len(items) == 0 {
			return fmt.Errorf("must have a %s", cronFields[i].name)
		}
		for _, item := range items {
			if err := cronItem(i, item); err != nil {
				return err
			}
		}
	}
	return nil
}

func namedSchedule(schedule string) error {
	switch schedule {
	case "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly":
		return nil
	}
	if every, ok := strings.CutPrefix(schedule, "@every "); ok {
		if _, err := time.ParseDuration(every); err != nil {
			return fmt.Errorf("must have a duration like 1h30m after @every")
		}
		return nil
	}
	return fmt.Errorf("must be one of: @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @every <duration>")
}

// cronItem checks one item of a list: *, a number or a range, each with or without
// a step.
func cronItem(field int, item string) error {
	f := cronFields[field]
	span, step, stepped := strings.Cut(item, "/")
	if stepped {
		n, err := cronNumber(step, nil)
		if err != nil || n == 0 {
			return fmt.Errorf("must have a positive number as step of the %s, not %q", f.name, step)
		}
	}
	if span == "*" || span == "?" {
		return nil
	}
	first, last, ranged := strings.Cut(span, "-")
	low, err := cronNumber(first, f.names)
	if err != nil {
		return fmt.Errorf("must have a %s, not %q", f.name, first)
	}
	high := low
	if ranged {
		if high, err = cronNumber(last, f.names); err != nil {
			return fmt.Errorf("must have a %s, not %q", f.name, last)
		}
	}
	if low < f.low || high > f.high || low > high {
		return fmt.Errorf("must have a %s between %d and %d, inclusive", f.name, f.low, f.high)
	}
	return nil
}

func cronNumber(text string, names map[string]int) (int, error) {
	if n, ok := names[strings.ToLower(text)]; ok {
		return n, nil
	}
	n, err := strconv.Atoi(text)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return n, err
}

const zoneCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+"

// timeZone checks names of time zones. They are paths below a folder of the
// server, which they must not leave.
func timeZone(name string) []string {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.HasPrefix(part, "-") || len(part) > 14 || strings.Trim(part, zoneCharacters) != "" {
			return []string{"must be the name of a time zone, like Europe/Berlin"}
		}
	}
	if strings.EqualFold(name, "Local") {
		return []string{"must be the name of a time zone, not Local"}
	}
	if _, err := time.LoadLocation(name); err != nil {
		return []string{"must be the name of a time zone that is known here"}
	}
	return nil
}
