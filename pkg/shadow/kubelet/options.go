// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"net/url"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
)

// AddConversions has a scheme that knows core/v1 read the query parameters of the
// requests that this package answers.
func AddConversions(scheme *runtime.Scheme) error {
	for _, add := range []func(*runtime.Scheme) error{
		parameters(func(in query, out *corev1.PodLogOptions) {
			read(in, "container", &out.Container, runtime.Convert_Slice_string_To_string)
			read(in, "follow", &out.Follow, runtime.Convert_Slice_string_To_bool)
			read(in, "previous", &out.Previous, runtime.Convert_Slice_string_To_bool)
			read(in, "sinceSeconds", &out.SinceSeconds, runtime.Convert_Slice_string_To_Pointer_int64)
			read(in, "sinceTime", &out.SinceTime, metav1.Convert_Slice_string_To_Pointer_v1_Time)
			read(in, "timestamps", &out.Timestamps, runtime.Convert_Slice_string_To_bool)
			read(in, "tailLines", &out.TailLines, runtime.Convert_Slice_string_To_Pointer_int64)
			read(in, "limitBytes", &out.LimitBytes, runtime.Convert_Slice_string_To_Pointer_int64)
			read(in, "insecureSkipTLSVerifyBackend", &out.InsecureSkipTLSVerifyBackend, runtime.Convert_Slice_string_To_bool)
			read(in, "stream", &out.Stream, firstString)
		}),
		parameters(func(in query, out *corev1.PodExecOptions) {
			read(in, "stdin", &out.Stdin, runtime.Convert_Slice_string_To_bool)
			read(in, "stdout", &out.Stdout, runtime.Convert_Slice_string_To_bool)
			read(in, "stderr", &out.Stderr, runtime.Convert_Slice_string_To_bool)
			read(in, "tty", &out.TTY, runtime.Convert_Slice_string_To_bool)
			read(in, "container", &out.Container, runtime.Convert_Slice_string_To_string)
			read(in, "command", &out.Command, allStrings)
		}),
		parameters(func(in query, out *corev1.PodAttachOptions) {
			read(in, "stdin", &out.Stdin, runtime.Convert_Slice_string_To_bool)
			read(in, "stdout", &out.Stdout, runtime.Convert_Slice_string_To_bool)
			read(in, "stderr", &out.Stderr, runtime.Convert_Slice_string_To_bool)
			read(in, "tty", &out.TTY, runtime.Convert_Slice_string_To_bool)
			read(in, "container", &out.Container, runtime.Convert_Slice_string_To_string)
		}),
		parameters(func(in query, out *corev1.PodPortForwardOptions) {
			read(in, "ports", &out.Ports, metav1.Convert_Slice_string_To_Slice_int32)
		}),
		parameters(func(in query, out *corev1.PodProxyOptions) {
			read(in, "path", &out.Path, runtime.Convert_Slice_string_To_string)
		}),
		parameters(func(in query, out *corev1.NodeProxyOptions) {
			read(in, "path", &out.Path, runtime.Convert_Slice_string_To_string)
		}),
		parameters(func(in query, out *corev1.ServiceProxyOptions) {
			read(in, "path", &out.Path, runtime.Convert_Slice_string_To_string)
		}),
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	return nil
}

// query is being read; err is the first parameter's that could not be.
type query struct {
	values url.Values
	err    *error
}

// parameters returns the function that registers how to make options of a query.
func parameters[T any](convert func(query, *T)) func(*runtime.Scheme) error {
	return func(scheme *runtime.Scheme) error {
		return scheme.AddConversionFunc((*url.Values)(nil), (*T)(nil), func(a, b any, _ conversion.Scope) (err error) {
			convert(query{values: *a.(*url.Values), err: &err}, b.(*T))
			return err
		})
	}
}

// read sets a field to a parameter, if it was given.
func read[T any](in query, name string, field *T, convert func(*[]string, *T, conversion.Scope) error) {
	if values := in.values[name]; len(values) > 0 && *in.err == nil {
		*in.err = convert(&values, field, nil)
	}
}

func allStrings(in *[]string, out *[]string, _ conversion.Scope) error {
	*out = *in
	return nil
}

func firstString(in *[]string, out **string, _ conversion.Scope) error {
	*out = &(*in)[0]
	return nil
}
