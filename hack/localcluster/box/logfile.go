// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"io"
	"os"
	"path/filepath"
	"sync"
)

// maxLog is the size at which a log is set aside as <name>.log.1, replacing
// the one before. A machine's log takes at most twice this per process.
const maxLog = 16 << 20

// logFile is a log of bounded size. All starts of a process write to one.
type logFile struct {
	path string
	max  int64

	mu   sync.Mutex
	file *os.File // guarded by mu
	size int64    // guarded by mu
}

func openLog(dir, name string, limit int64) (*logFile, error) {
	l := &logFile{path: filepath.Join(dir, name+".log"), max: limit}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write implements io.Writer.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(p)) > l.max {
		l.file.Close()
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return 0, err
		}
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// pipe returns a file for a process to write its output to. What arrives is
// copied to the log until the process and its children have closed it. The
// caller closes the file after handing it on.
func (l *logFile) pipe() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		defer r.Close()
		if _, err := io.Copy(l, r); err != nil {
			// A full disk must not block the process: throw away the rest.
			_, _ = io.Copy(io.Discard, r)
		}
	}()
	return w, nil
}
