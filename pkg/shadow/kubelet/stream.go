// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	translator "k8s.io/apiserver/pkg/util/proxy"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// streaming is what exec, attach and port-forward have in common.
type streaming struct {
	connector  *Connector
	authorizer authorizer.Authorizer
}

// Destroy has nothing to do: the connector is the server's.
func (streaming) Destroy() {}

// ConnectMethods returns POST, and GET for browsers: they open WebSockets with it.
func (streaming) ConnectMethods() []string { return []string{http.MethodGet, http.MethodPost} }

// kubeletOf returns a pod that the caller may stream with, and the kubelet that has
// it.
func (s streaming) kubeletOf(ctx context.Context, name string) (*corev1.Pod, *kubelet, error) {
	if err := authorizeCreate(ctx, s.authorizer); err != nil {
		return nil, nil, err
	}
	pod, err := s.connector.pods(ctx, request.NamespaceValue(ctx), name)
	if err != nil {
		return nil, nil, err
	}
	if pod.Spec.NodeName == "" {
		return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", name))
	}
	kubelet, err := s.connector.kubelet(ctx, pod.Spec.NodeName, s.connector.config.AnswerTimeout)
	return pod, kubelet, err
}

// remoteCommand is what exec and attach are asked for.
type remoteCommand struct {
	container                  string
	stdin, stdout, stderr, tty bool
	command                    []string
}

func (c remoteCommand) query() url.Values {
	query := url.Values{}
	flag := func(name string, value bool) {
		if value {
			query.Set(name, "1")
		}
	}
	flag(corev1.ExecStdinParam, c.stdin)
	flag(corev1.ExecStdoutParam, c.stdout)
	flag(corev1.ExecStderrParam, c.stderr)
	flag(corev1.ExecTTYParam, c.tty)
	if len(c.command) > 0 {
		query["command"] = c.command
	}
	return query
}

// connect streams with a container through the kubelet's endpoint.
func (s streaming) connect(ctx context.Context, endpoint, name string, command remoteCommand, responder rest.Responder) (http.Handler, error) {
	pod, kubelet, err := s.kubeletOf(ctx, name)
	if err != nil {
		return nil, err
	}
	container, err := chooseContainer(pod, command.container)
	if err != nil {
		return nil, err
	}
	location := kubelet.route.url(fmt.Sprintf("/%s/%s/%s/%s", endpoint, pod.Namespace, pod.Name, container), command.query())
	handler := kubelet.route.upgrade(location, responder)
	if !kubelet.webSockets {
		handler = translator.NewTranslatingHandler(handler,
			translator.NewStreamTranslatorHandler(location, kubelet.route.transport(), 0, translator.Options{
				Stdin: command.stdin, Stdout: command.stdout, Stderr: command.stderr, Tty: command.tty,
			}),
			wsstream.IsWebSocketRequestWithStreamCloseProtocol)
	}
	return withoutIdentity(withoutCookies(kubelet.route.serve(handler))), nil
}

// ExecREST serves pods/exec.
type ExecREST struct{ streaming }

// NewExecREST returns the storage of pods/exec. Whoever opens it with GET must be
// allowed by authorizer to do so with POST.
func NewExecREST(connector *Connector, authorizer authorizer.Authorizer) *ExecREST {
	return &ExecREST{streaming{connector, authorizer}}
}

// New returns what discovery says that the subresource is.
func (*ExecREST) New() runtime.Object { return &corev1.PodExecOptions{} }

// NewConnectOptions returns the options that queries are read into.
func (*ExecREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &corev1.PodExecOptions{}, false, ""
}

// Connect runs a command in a container.
func (r *ExecREST) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*corev1.PodExecOptions)
	if !ok {
		return nil, fmt.Errorf("options of exec are %T", options)
	}
	return r.connect(ctx, "exec", name, remoteCommand{
		container: opts.Container, stdin: opts.Stdin, stdout: opts.Stdout, stderr: opts.Stderr, tty: opts.TTY, command: opts.Command,
	}, responder)
}

// AttachREST serves pods/attach.
type AttachREST struct{ streaming }

// NewAttachREST returns the storage of pods/attach. Whoever opens it with GET must
// be allowed by authorizer to do so with POST.
func NewAttachREST(connector *Connector, authorizer authorizer.Authorizer) *AttachREST {
	return &AttachREST{streaming{connector, authorizer}}
}

// New returns what discovery says that the subresource is.
func (*AttachREST) New() runtime.Object { return &corev1.PodAttachOptions{} }

// NewConnectOptions returns the options that queries are read into.
func (*AttachREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &corev1.PodAttachOptions{}, false, ""
}

// Connect attaches to what runs in a container.
func (r *AttachREST) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*corev1.PodAttachOptions)
	if !ok {
		return nil, fmt.Errorf("options of attach are %T", options)
	}
	return r.connect(ctx, "attach", name, remoteCommand{
		container: opts.Container, stdin: opts.Stdin, stdout: opts.Stdout, stderr: opts.Stderr, tty: opts.TTY,
	}, responder)
}

// PortForwardREST serves pods/portforward.
type PortForwardREST struct{ streaming }

// NewPortForwardREST returns the storage of pods/portforward. Whoever opens it with
// GET must be allowed by authorizer to do so with POST.
func NewPortForwardREST(connector *Connector, authorizer authorizer.Authorizer) *PortForwardREST {
	return &PortForwardREST{streaming{connector, authorizer}}
}

// New returns what discovery says that the subresource is.
func (*PortForwardREST) New() runtime.Object { return &corev1.PodPortForwardOptions{} }

// NewConnectOptions returns the options that queries are read into.
func (*PortForwardREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &corev1.PodPortForwardOptions{}, false, ""
}

// Connect forwards connections to ports of a pod.
func (r *PortForwardREST) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*corev1.PodPortForwardOptions)
	if !ok {
		return nil, fmt.Errorf("options of port-forward are %T", options)
	}
	pod, kubelet, err := r.kubeletOf(ctx, name)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	if len(opts.Ports) > 0 {
		ports := make([]string, len(opts.Ports))
		for i, port := range opts.Ports {
			ports[i] = strconv.Itoa(int(port))
		}
		query.Set(corev1.PortHeader, strings.Join(ports, ","))
	}
	location := kubelet.route.url(fmt.Sprintf("/portForward/%s/%s", pod.Namespace, pod.Name), query)
	handler := kubelet.route.upgrade(location, responder)
	if !kubelet.webSockets {
		handler = translator.NewTranslatingHandler(handler, translator.NewTunnelingHandler(handler), wsstream.IsWebSocketRequestWithTunnelingProtocol)
	}
	return withoutIdentity(withoutCookies(kubelet.route.serve(handler))), nil
}
