// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Launch starts a box in the named network namespace: the init executable
// with a spec. It returns the init's process id on the host. The box goes on
// when the caller ends.
func Launch(init, specPath, netns, logPath string) (pid int, err error) {
	log, err := os.Create(logPath)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command(init, specPath)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWPID,
	}
	started := make(chan error, 1)
	go func() {
		// The thread that enters the namespace is not unlocked, so it ends
		// with this goroutine and serves no other.
		runtime.LockOSThread()
		started <- startIn(netns, cmd)
	}()
	if err := <-started; err != nil {
		return 0, fmt.Errorf("launch a box in the network namespace %s: %w", netns, err)
	}
	// While this process lives the box is its child and must not stay a
	// zombie once it ends.
	go func() { _ = cmd.Wait() }()
	return cmd.Process.Pid, nil
}

func startIn(netns string, cmd *exec.Cmd) error {
	ns, err := os.Open("/run/netns/" + netns)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	return cmd.Start()
}

// Enter returns a command that runs argv in the namespaces of the box whose
// init has that process id on the host, with the environment but for the search
// path, which is given apart. When the context ends the command is
// given up; what it runs in the box may go on.
func Enter(ctx context.Context, pid int, env []string, path string, argv ...string) *exec.Cmd {
	args := []string{"--target", fmt.Sprint(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(args, argv...)...)
	cmd.WaitDelay = time.Second
	cmd.Env = append(withoutPath(env), "PATH="+path)
	return cmd
}

func withoutPath(env []string) []string {
	kept := env[:0:0]
	for _, entry := range env {
		if !strings.HasPrefix(entry, "PATH=") {
			kept = append(kept, entry)
		}
	}
	return kept
}
