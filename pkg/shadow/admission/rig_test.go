// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/kubernetes/scheme"
)

// store has the objects of one resource, or fails.
type store struct {
	rest.TableConvertor
	resource schema.GroupResource
	list     runtime.Object
	objects  []runtime.Object
	err      error
}

func (s *store) NewList() runtime.Object { return s.list.DeepCopyObject() }

func (s *store) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	if s.err != nil {
		return nil, s.err
	}
	i := slices.IndexFunc(s.objects, func(o runtime.Object) bool {
		m, err := meta.Accessor(o)
		return err == nil && m.GetName() == name && m.GetNamespace() == request.NamespaceValue(ctx)
	})
	if i < 0 {
		return nil, apierrors.NewNotFound(s.resource, name)
	}
	return s.objects[i], nil
}

func (s *store) List(ctx context.Context, _ *internalversion.ListOptions) (runtime.Object, error) {
	if s.err != nil {
		return nil, s.err
	}
	list := s.NewList()
	inside := slices.DeleteFunc(slices.Clone(s.objects), func(o runtime.Object) bool {
		m, err := meta.Accessor(o)
		return err != nil || m.GetNamespace() != request.NamespaceValue(ctx)
	})
	return list, meta.SetList(list, inside)
}

// chain returns the plugins over some objects. With an error, nothing can be read.
func chain(t *testing.T, allowed authorizer.Authorizer, err error, objects ...runtime.Object) admission.Interface {
	t.Helper()
	stores := func(r schema.GroupResource) Store {
		s := &store{resource: r, err: err, list: &metav1.List{}}
		for _, o := range objects {
			kinds, _, kindErr := scheme.Scheme.ObjectKinds(o)
			if kindErr != nil {
				t.Fatal(kindErr)
			}
			plural, _ := meta.UnsafeGuessKindToResource(kinds[0])
			if plural.GroupResource() != r {
				continue
			}
			s.objects = append(s.objects, o)
			if s.list, kindErr = scheme.Scheme.New(kinds[0].GroupVersion().WithKind(kinds[0].Kind + "List")); kindErr != nil {
				t.Fatal(kindErr)
			}
		}
		if len(s.objects) == 0 {
			s.list = &corev1.PodList{} // of any kind
		}
		return s
	}
	if allowed == nil {
		allowed = authorizerfactory.NewAlwaysDenyAuthorizer()
	}
	registered := admission.NewPlugins()
	Register(registered, NewObjects(stores), allowed)
	config, configErr := admission.ReadAdmissionConfiguration(nil, "", nil)
	if configErr != nil {
		t.Fatal(configErr)
	}
	plugins, configErr := registered.NewFromPlugins(slices.Concat(First, Then), config, nothing{}, nil)
	if configErr != nil {
		t.Fatal(configErr)
	}
	return plugins
}

type nothing struct{}

func (nothing) Initialize(admission.Interface) {}

// admit has an object judged, as a request for a resource with or without the
// object that was.
func admit(t *testing.T, plugins admission.Interface, resource schema.GroupVersionResource, subresource string, obj, old runtime.Object) error {
	t.Helper()
	kinds, _, err := scheme.Scheme.ObjectKinds(obj)
	if err != nil {
		t.Fatal(err)
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		t.Fatal(err)
	}
	operation, options := admission.Create, runtime.Object(&metav1.CreateOptions{})
	if old != nil {
		operation, options = admission.Update, &metav1.UpdateOptions{}
	}
	a := admission.NewAttributesRecord(obj, old, kinds[0], m.GetNamespace(), m.GetName(), resource, subresource, operation, options, false, &user.DefaultInfo{Name: "somebody"})
	ctx := request.WithNamespace(t.Context(), m.GetNamespace())
	if err := plugins.(admission.MutationInterface).Admit(ctx, a, nil); err != nil {
		return err
	}
	return plugins.(admission.ValidationInterface).Validate(ctx, a, nil)
}

var podResource = corev1.SchemeGroupVersion.WithResource("pods")

// newPod returns a pod that nothing is wrong with.
func newPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/i"}}},
	}
}

// around is what a pod needs.
func around(more ...runtime.Object) []runtime.Object {
	return append(more,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "default"}},
	)
}

func quantity(s string) resource.Quantity { return resource.MustParse(s) }
