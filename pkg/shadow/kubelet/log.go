// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericrest "k8s.io/apiserver/pkg/registry/generic/rest"
	"k8s.io/apiserver/pkg/registry/rest"
)

// LogREST serves pods/log.
type LogREST struct {
	connector *Connector
}

var (
	_ rest.GetterWithOptions = &LogREST{}
	_ rest.StorageMetadata   = &LogREST{}
)

// NewLogREST returns the storage of pods/log.
func NewLogREST(connector *Connector) *LogREST { return &LogREST{connector: connector} }

// New returns what discovery says that the subresource is.
func (*LogREST) New() runtime.Object { return &corev1.Pod{} }

// Destroy has nothing to do: the connector is the server's.
func (*LogREST) Destroy() {}

// ProducesMIMETypes says that logs are text.
func (*LogREST) ProducesMIMETypes(string) []string { return []string{"text/plain"} }

// ProducesObject says that logs are strings in OpenAPI documents.
func (*LogREST) ProducesObject(string) any { return "" }

// NewGetOptions returns the options that queries are read into.
func (*LogREST) NewGetOptions() (runtime.Object, bool, string) {
	return &corev1.PodLogOptions{}, false, ""
}

// OverrideMetricsVerb keeps logs, which may last, out of the latencies of GET.
func (*LogREST) OverrideMetricsVerb(verb string) string {
	if verb == "GET" {
		return "CONNECT"
	}
	return verb
}

// Get returns the stream of a container's log. A pod without a node has none yet.
func (r *LogREST) Get(ctx context.Context, name string, options runtime.Object) (runtime.Object, error) {
	opts, ok := options.(*corev1.PodLogOptions)
	if !ok {
		return nil, fmt.Errorf("options of a log are %T", options)
	}
	if errs := validateLogOptions(opts); len(errs) > 0 {
		return nil, apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("PodLogOptions").GroupKind(), name, errs)
	}
	pod, err := r.connector.pods(ctx, request.NamespaceValue(ctx), name)
	if err != nil {
		return nil, err
	}
	container, err := chooseContainer(pod, opts.Container)
	if err != nil {
		return nil, err
	}
	if pod.Spec.NodeName == "" {
		return &logStream{}, nil
	}
	// A kubelet begins to answer with the first line, which a log that is followed
	// may be waiting for.
	answerWithin := r.connector.config.AnswerTimeout
	if opts.Follow {
		answerWithin = 0
	}
	kubelet, err := r.connector.kubelet(ctx, pod.Spec.NodeName, answerWithin)
	if err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/containerLogs/%s/%s/%s", pod.Namespace, pod.Name, container)
	return &logStream{
		route:    kubelet.route,
		location: kubelet.route.url(path, logQuery(opts)),
		pod:      pod.Name,
		follow:   opts.Follow,
	}, nil
}

func validateLogOptions(opts *corev1.PodLogOptions) field.ErrorList {
	var errs field.ErrorList
	if opts.TailLines != nil && *opts.TailLines < 0 {
		errs = append(errs, field.Invalid(field.NewPath("tailLines"), *opts.TailLines, "must be greater than or equal to 0"))
	}
	if opts.LimitBytes != nil && *opts.LimitBytes < 1 {
		errs = append(errs, field.Invalid(field.NewPath("limitBytes"), *opts.LimitBytes, "must be greater than 0"))
	}
	switch {
	case opts.SinceSeconds != nil && opts.SinceTime != nil:
		errs = append(errs, field.Forbidden(field.NewPath(""), "at most one of `sinceTime` or `sinceSeconds` may be specified"))
	case opts.SinceSeconds != nil && *opts.SinceSeconds < 1:
		errs = append(errs, field.Invalid(field.NewPath("sinceSeconds"), *opts.SinceSeconds, "must be greater than 0"))
	}
	if opts.Stream != nil {
		errs = append(errs, field.Forbidden(field.NewPath("stream"), "may not be specified"))
	}
	if opts.InsecureSkipTLSVerifyBackend {
		errs = append(errs, field.Forbidden(field.NewPath("insecureSkipTLSVerifyBackend"), "the certificates of kubelets are always verified here"))
	}
	return errs
}

// logQuery says to a kubelet what was said to us.
func logQuery(opts *corev1.PodLogOptions) url.Values {
	query := url.Values{}
	flag := func(name string, value bool) {
		if value {
			query.Set(name, "true")
		}
	}
	number := func(name string, value *int64) {
		if value != nil {
			query.Set(name, strconv.FormatInt(*value, 10))
		}
	}
	flag("follow", opts.Follow)
	flag("previous", opts.Previous)
	flag("timestamps", opts.Timestamps)
	number("sinceSeconds", opts.SinceSeconds)
	number("tailLines", opts.TailLines)
	number("limitBytes", opts.LimitBytes)
	if opts.SinceTime != nil {
		query.Set("sinceTime", opts.SinceTime.Format(time.RFC3339))
	}
	return query
}

// logStream fetches a log once the client's connection is there to take it.
type logStream struct {
	route    *route // nil if there is no log
	location *url.URL
	pod      string
	follow   bool
}

var _ rest.ResourceStreamer = &logStream{}

// GetObjectKind makes a runtime.Object of the stream, which it is only in name.
func (*logStream) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject returns the stream itself: it does not change.
func (s *logStream) DeepCopyObject() runtime.Object { return s }

// InputStream asks the kubelet. Lines of a log that is followed are flushed one by
// one.
func (s *logStream) InputStream(ctx context.Context, _, _ string) (io.ReadCloser, bool, string, error) {
	if s.route == nil {
		return nil, false, "", nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.location.String(), nil)
	if err != nil {
		return nil, false, "", err
	}
	// A transport, unlike a client, follows no redirects.
	resp, err := s.route.transport().RoundTrip(req)
	if err != nil {
		return nil, false, "", s.route.status(err)
	}
	checker := genericrest.NewGenericHttpResponseChecker(schema.GroupResource{Resource: "pods/log"}, s.pod)
	if err := checker.Check(resp); err != nil {
		return nil, false, "", err
	}
	return resp.Body, s.follow, "text/plain", nil
}
