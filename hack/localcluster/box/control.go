// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

// controlTimeout bounds a conversation on the control socket. Importing images
// is the slowest thing asked for.
const controlTimeout = 2 * time.Minute

// request is what a client of the control socket sends: one JSON object per
// connection.
type request struct {
	// Op is status, import, sync, or a supervise.Request with the process's
	// name.
	Op      string `json:"op"`
	Process string `json:"process,omitempty"`
}

// reply is the one JSON object that comes back.
type reply struct {
	Error     string             `json:"error,omitempty"`
	Processes []supervise.Status `json:"processes,omitempty"`
}

// Status asks the init behind a control socket for the state of the
// machine's processes.
func Status(socket string) ([]supervise.Status, error) {
	r, err := ask(socket, request{Op: "status"})
	return r.Processes, err
}

// Do asks the init behind a control socket to restart, kill, stop or start a
// process.
func Do(socket string, op supervise.Request, process string) error {
	_, err := ask(socket, request{Op: string(op), Process: process})
	return err
}

// ImportImages asks the init behind a control socket to read the images in
// its spec again and to import those whose digest changed.
func ImportImages(socket string) error {
	_, err := ask(socket, request{Op: "import"})
	return err
}

// SyncProcesses asks the init behind a control socket to read the added processes
// in its spec again: to start new ones, to end those that are gone, and to do both
// to those that changed. It returns when what had to end is gone; what is new may
// be yet to start.
func SyncProcesses(socket string) error {
	_, err := ask(socket, request{Op: "sync"})
	return err
}

func ask(socket string, req request) (reply, error) {
	var r reply
	conn, err := net.DialTimeout("unix", socket, controlTimeout)
	if err != nil {
		return r, fmt.Errorf("the machine is not running: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(controlTimeout))
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return r, err
	}
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		return r, fmt.Errorf("read the machine's answer: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// serveControl answers on the socket until the process ends.
func serveControl(socket string, answer func(request) reply) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				klog.Background().Error(err, "Control socket closed")
				return
			}
			go serveConn(conn, answer)
		}
	}()
	return os.Chmod(socket, 0o600)
}

func serveConn(conn net.Conn, answer func(request) reply) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(controlTimeout))
	var req request
	if err := json.NewDecoder(conn).Decode(&req); err != nil {
		return
	}
	_ = json.NewEncoder(conn).Encode(answer(req)) // a client that left needs no answer
}
