// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// tooEarly is an error that etcd logs when it looks at a new database before the
// first commit. It looks again every few seconds.
const tooEarly = "failed to update storage version"

// newLogger sends etcd's log to the process's own. etcd ends the process
// through its logger when it cannot go on; that is reported to fail instead.
func newLogger(to logr.Logger, level zapcore.LevelEnabler, fail func(error)) *zap.Logger {
	hook := failHook{fail: fail}
	return zap.New(&logCore{LevelEnabler: level, to: to}, zap.WithFatalHook(hook), zap.WithPanicHook(hook))
}

// failHook stops the goroutine that cannot go on for good: etcd counts on its
// logger never to return there.
type failHook struct {
	fail func(error)
}

func (h failHook) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	err := errors.New(entry.Message)
	for _, field := range fields {
		if cause, ok := field.Interface.(error); ok && field.Type == zapcore.ErrorType {
			err = fmt.Errorf("%s: %w", entry.Message, cause)
		}
	}
	h.fail(err)
	select {}
}

// logCore writes what etcd says.
type logCore struct {
	zapcore.LevelEnabler
	to     logr.Logger
	fields []zapcore.Field
}

func (c *logCore) With(fields []zapcore.Field) zapcore.Core {
	return &logCore{LevelEnabler: c.LevelEnabler, to: c.to, fields: slices.Concat(c.fields, fields)}
}

func (c *logCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) && entry.Message != tooEarly {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c *logCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	encoder := zapcore.NewMapObjectEncoder()
	var keysAndValues []any
	for _, field := range slices.Concat(c.fields, fields) {
		field.AddTo(encoder)
	}
	for key, value := range encoder.Fields {
		keysAndValues = append(keysAndValues, key, value)
	}
	if entry.Level >= zapcore.ErrorLevel {
		c.to.Error(nil, entry.Message, keysAndValues...)
	} else {
		c.to.Info(entry.Message, keysAndValues...)
	}
	return nil
}

func (*logCore) Sync() error { return nil }
