// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Command testimage is the one program in the local cluster's test image. It
// is the sandbox (pause) process of every pod, and what tests run in pods and
// call in them with exec, since there is no shell:
//
//	testimage pause              wait for a signal, reaping orphans
//	testimage serve [PORT]       HTTP on PORT (8080): host name and environment
//	testimage sleep DURATION     wait (1h30m, or a number of seconds)
//	testimage get URL            print what a GET answers; fails unless 2xx
//	testimage cat [FILE...]      print files, or the input
//	testimage env                print the environment
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const getTimeout = 10 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testimage:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	commands := map[string]func(context.Context, []string) error{
		"pause": pause, "serve": serve, "sleep": sleep, "get": get, "cat": cat, "env": env,
	}
	if len(args) == 0 {
		args = []string{"pause"}
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("unknown command %q, must be pause, serve, sleep, get, cat or env", args[0])
	}
	return command(ctx, args[1:])
}

func pause(ctx context.Context, _ []string) error {
	orphans := make(chan os.Signal, 1)
	signal.Notify(orphans, syscall.SIGCHLD)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-orphans:
			for {
				if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
					break
				}
			}
		}
	}
}

func serve(ctx context.Context, args []string) error {
	port := "8080"
	if len(args) > 0 {
		port = args[0]
	}
	server := &http.Server{Addr: ":" + port, Handler: http.HandlerFunc(describe), ReadHeaderTimeout: getTimeout}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	fmt.Println("serving on port", port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// describe answers with the host name on the first line, then the environment.
func describe(w http.ResponseWriter, r *http.Request) {
	host, _ := os.Hostname()
	fmt.Println(r.RemoteAddr, r.Method, r.URL)
	fmt.Fprintln(w, host)
	fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
}

func sleep(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("sleep needs a duration")
	}
	d, err := time.ParseDuration(args[0])
	if n, numErr := strconv.Atoi(args[0]); numErr == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return nil
}

func get(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("get needs a URL")
	}
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return errors.New(resp.Status)
	}
	return nil
}

func cat(_ context.Context, args []string) error {
	if len(args) == 0 {
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	}
	for _, name := range args {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func env(context.Context, []string) error {
	for _, entry := range os.Environ() {
		fmt.Println(entry)
	}
	return nil
}
