// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"fmt"
	"sync"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/component-base/metrics/legacyregistry"
	podsecurityadmission "k8s.io/pod-security-admission/admission"
	"k8s.io/pod-security-admission/admission/api/load"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/metrics"
	"k8s.io/pod-security-admission/policy"
)

const podSecurityName = "PodSecurity"

// podSecurity enforces the standard that the labels of a namespace ask for.
type podSecurity struct {
	*admission.Handler
	standards *podsecurityadmission.Admission
}

var (
	_ admission.ValidationInterface     = &podSecurity{}
	_ admission.InitializationValidator = &podSecurity{}
)

// securityMetrics are one per process, as metrics are.
var securityMetrics = sync.OnceValue(func() metrics.Recorder {
	recorder := metrics.NewPrometheusRecorder(podsecurity.GetAPIVersion())
	recorder.MustRegister(legacyregistry.MustRegister)
	return recorder
})

func newPodSecurity(objects Objects) *podSecurity {
	return &podSecurity{onCreateAndUpdate(), &podsecurityadmission.Admission{
		Metrics:          securityMetrics(),
		PodSpecExtractor: podsecurityadmission.DefaultPodSpecExtractor{},
		NamespaceGetter:  guarded{objects},
		PodLister:        guarded{objects},
	}}
}

// ValidateInitialization completes the plugin: without a configuration, what a
// namespace does not ask for is not enforced.
func (p *podSecurity) ValidateInitialization() error {
	config, err := load.LoadFromData(nil)
	if err != nil {
		return fmt.Errorf("making the configuration of %s: %w", podSecurityName, err)
	}
	p.standards.Configuration = config
	if p.standards.Evaluator, err = policy.NewEvaluator(policy.DefaultChecks(), nil); err != nil {
		return fmt.Errorf("making the checks of %s: %w", podSecurityName, err)
	}
	if err := p.standards.CompleteConfiguration(); err != nil {
		return err
	}
	return p.standards.ValidateConfiguration()
}

// Validate judges pods, what makes pods, and namespaces that begin to ask for more.
func (p *podSecurity) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	resource := a.GetResource().GroupResource()
	if resource != corev1.Resource("pods") && resource != corev1.Resource("namespaces") && !p.standards.PodSpecExtractor.HasPodSpec(resource) {
		return nil
	}
	response := p.standards.Validate(ctx, judged{a})
	for _, text := range response.Warnings {
		warning.AddWarning(ctx, "", text)
	}
	for key, value := range response.AuditAnnotations {
		audit.AddAuditAnnotation(ctx, podsecurity.AuditAnnotationPrefix+key, value)
	}
	if response.Allowed {
		return nil
	}
	err := admission.NewForbidden(a, errors.New("not allowed by PodSecurity"))
	var status *apierrors.StatusError
	if r := response.Result; r != nil && errors.As(err, &status) {
		if r.Message != "" {
			status.ErrStatus.Message = r.Message
		}
		if r.Reason != "" {
			status.ErrStatus.Reason = r.Reason
		}
		if r.Details != nil {
			status.ErrStatus.Details = r.Details
		}
		if r.Code != 0 {
			status.ErrStatus.Code = r.Code
		}
	}
	return err
}

// judged is a request as the standards want to see it.
type judged struct {
	admission.Attributes
}

var _ podsecurity.Attributes = judged{}

func (j judged) GetObject() (runtime.Object, error)    { return j.Attributes.GetObject(), nil }
func (j judged) GetOldObject() (runtime.Object, error) { return j.Attributes.GetOldObject(), nil }
func (j judged) GetUserName() string                   { return j.GetUserInfo().GetName() }
func (j judged) GetOperation() admissionv1.Operation {
	return admissionv1.Operation(j.Attributes.GetOperation())
}

// guarded has what the standards are about.
type guarded struct {
	objects Objects
}

func (g guarded) GetNamespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	return g.objects.namespace(ctx, name)
}

func (g guarded) ListPods(ctx context.Context, namespace string) ([]*corev1.Pod, error) {
	return g.objects.pods(ctx, namespace)
}
