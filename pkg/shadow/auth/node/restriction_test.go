// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/union"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/steppe-io/steppe/pkg/shadow/auth/rbac"
)

// write is one that a kubelet tries.
type write struct {
	name            string
	kubelet         string // the node's name; a if empty
	group, resource string
	subresource     string
	namespace       string
	target          string // what the URL names; empty for a create of a whole object
	object          apiObject
	// change changes what exists under the target's name: the write is an update.
	change any // func(*T)
	delete bool
}

// Each write is tried on the real server, dry, and on our authorizers and
// Restriction.
func TestRestrictionAsKubeAPIServerDoes(t *testing.T) {
	admin := realClient(t)
	createSample(t, admin)
	createForWrites(t, admin)
	authz := union.New(NewAuthorizer(follow(t, admin)), followRoles(t, admin))
	restriction := NewRestriction(authz, directGetters(admin))
	for area, writes := range map[string][]write{
		"nodes": nodeWrites(), "pods": podWrites(), "mirror pods": mirrorPodWrites(t, admin), "tokens": tokenWrites(t, admin),
		"claims": claimWrites(), "leases": ownWrites(), "slices": sliceWrites(), "requests": signingWrites(t),
	} {
		t.Run(area, func(t *testing.T) {
			refused := 0
			for _, w := range writes {
				if w.kubelet == "" {
					w.kubelet = "a"
				}
				kubelet := kubeletOf(w.kubelet)
				client := realClient(t, impersonate(kubelet))
				old := w.existing(t, admin)
				w.object = w.changed(old)
				var theirs, got error
				// Either may not have heard of everything yet.
				_ = wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
					theirs = w.dryRun(ctx, client)
					got = w.admit(ctx, authz, restriction, kubelet, old)
					return agree(got, theirs), nil
				})
				if !agree(got, theirs) {
					t.Errorf("%s: got %v; kube-apiserver says %v", w.name, got, theirs)
				}
				if got != nil {
					refused++
				}
			}
			t.Logf("%d of %d refused", refused, len(writes))
		})
	}
}

// agree tells whether two outcomes are the same to a kubelet.
func agree(a, b error) bool {
	return (a == nil) == (b == nil) && apierrors.ReasonForError(a) == apierrors.ReasonForError(b)
}

// existing returns what an update or a deletion is about, or nil.
func (w *write) existing(t *testing.T, admin kubernetes.Interface) apiObject {
	t.Helper()
	var prototype reflect.Type
	switch {
	case w.change != nil:
		prototype = reflect.TypeOf(w.change).In(0)
	case w.delete && w.object != nil:
		prototype = reflect.TypeOf(w.object)
	default:
		return nil
	}
	found := reflect.New(prototype.Elem()).Interface().(apiObject)
	err := restClient(admin, w.group).Get().Resource(w.resource).NamespaceIfScoped(w.namespace, w.namespace != "").Name(w.target).Do(t.Context()).Into(found)
	if err != nil {
		t.Fatalf("%s: %v", w.name, err)
	}
	return found
}

// changed returns what is written.
func (w *write) changed(old apiObject) apiObject {
	switch {
	case w.delete:
		return nil
	case w.change == nil:
		return w.object
	}
	o := old.DeepCopyObject().(apiObject)
	reflect.ValueOf(w.change).Call([]reflect.Value{reflect.ValueOf(o)})
	return o
}

func (w *write) dryRun(ctx context.Context, client kubernetes.Interface) error {
	c := restClient(client, w.group)
	r := c.Post()
	switch {
	case w.delete:
		r = c.Delete()
	case w.change != nil:
		r = c.Put()
	}
	r = r.Resource(w.resource).NamespaceIfScoped(w.namespace, w.namespace != "")
	if w.target != "" {
		r = r.Name(w.target)
	}
	if w.subresource != "" {
		r = r.SubResource(w.subresource)
	}
	if w.object != nil {
		r = r.Body(w.object)
	}
	return r.Param("dryRun", metav1.DryRunAll).Do(ctx).Error()
}

func (w *write) admit(ctx context.Context, authz authorizer.Authorizer, restriction *Restriction, kubelet user.Info, old apiObject) error {
	verb, operation := "create", admission.Create
	switch {
	case w.delete:
		verb, operation = "delete", admission.Delete
	case w.change != nil:
		verb, operation = "update", admission.Update
	}
	resource := schema.GroupVersionResource{Group: w.group, Version: "v1", Resource: w.resource}
	decision, reason, err := authz.Authorize(ctx, authorizer.AttributesRecord{
		User: kubelet, Verb: verb, Namespace: w.namespace, APIGroup: w.group, Resource: w.resource, Subresource: w.subresource, Name: w.target, ResourceRequest: true,
	})
	if err != nil {
		return err
	}
	if decision != authorizer.DecisionAllow {
		return apierrors.NewForbidden(resource.GroupResource(), w.target, errors.New(reason))
	}
	name := w.target
	if name == "" && w.object != nil {
		name = w.object.GetName() // as the create handler does
	}
	var object, oldObject runtime.Object
	if w.object != nil {
		object = w.object
	}
	if old != nil {
		oldObject = old
	}
	return restriction.Admit(ctx, admission.NewAttributesRecord(object, oldObject, schema.GroupVersionKind{}, w.namespace, name, resource, w.subresource, operation, nil, true, kubelet), nil)
}

func followRoles(t *testing.T, client kubernetes.Interface) *rbac.Authorizer {
	t.Helper()
	factory := informers.NewSharedInformerFactory(client, 0)
	source, err := rbac.NewSource(factory.Rbac().V1())
	if err != nil {
		t.Fatal(err)
	}
	a := rbac.NewAuthorizer(source)
	ctx, cancel := context.WithCancel(context.Background())
	factory.StartWithContext(ctx)
	t.Cleanup(func() {
		cancel()
		factory.Shutdown()
	})
	if !cache.WaitForCacheSync(ctx.Done(), a.HasSynced) {
		t.Fatal("The roles did not sync")
	}
	return a
}

func TestRestrictionLetsOthersPass(t *testing.T) {
	r := NewRestriction(nil, Getters{})
	nodes := corev1.SchemeGroupVersion.WithResource("nodes")
	for _, u := range []user.Info{nil, &user.DefaultInfo{Name: "ann"}, &user.DefaultInfo{Name: "system:node:b"}, &user.DefaultInfo{Name: "ann", Groups: []string{user.NodesGroup}}} {
		a := admission.NewAttributesRecord(&corev1.Node{}, nil, schema.GroupVersionKind{}, "", "a", nodes, "", admission.Create, nil, false, u)
		if err := r.Admit(t.Context(), a, nil); err != nil {
			t.Errorf("%v: %v", u, err)
		}
	}
}

func TestRestrictionRefusesNamelessKubelets(t *testing.T) {
	events := corev1.SchemeGroupVersion.WithResource("events")
	a := admission.NewAttributesRecord(&corev1.Event{}, nil, schema.GroupVersionKind{}, "blue", "e", events, "", admission.Create, nil, false, kubeletOf(""))
	if err := NewRestriction(nil, Getters{}).Admit(t.Context(), a, nil); !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want it forbidden", err)
	}
}

// An object of another type than expected must not slip through unread.
func TestRestrictionRefusesUnexpectedTypes(t *testing.T) {
	r := NewRestriction(nil, Getters{})
	for _, c := range []struct {
		resource, subresource string
		operation             admission.Operation
	}{
		{"pods", "", admission.Create},
		{"pods", "status", admission.Update},
		{"pods", "eviction", admission.Create},
		{"nodes", "", admission.Create},
		{"nodes", "", admission.Update},
		{"persistentvolumeclaims", "status", admission.Update},
		{"serviceaccounts", "token", admission.Create},
		{"leases.v1.coordination.k8s.io", "", admission.Create},
		{"resourceslices.v1.resource.k8s.io", "", admission.Create},
		{"resourceslices.v1.resource.k8s.io", "", admission.Delete},
		{"certificatesigningrequests.v1.certificates.k8s.io", "", admission.Create},
		{"podcertificaterequests.v1beta1.certificates.k8s.io", "", admission.Create},
	} {
		resource, _ := schema.ParseResourceArg(c.resource)
		if resource == nil {
			resource = &schema.GroupVersionResource{Version: "v1", Resource: c.resource}
		}
		o := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
		a := admission.NewAttributesRecord(o, o, schema.GroupVersionKind{}, corev1.NamespaceNodeLease, "a", *resource, c.subresource, c.operation, nil, false, kubeletOf("a"))
		if err := r.Admit(t.Context(), a, nil); !apierrors.IsForbidden(err) {
			t.Errorf("%v of %s/%s: got %v, want it forbidden", c.operation, c.resource, c.subresource, err)
		}
	}
}

// Getters may fail; that is no permission.
func TestRestrictionRefusesWhatItCannotLookUp(t *testing.T) {
	broken := errors.New("broken")
	r := NewRestriction(nil, Getters{Pod: func(context.Context, string, string) (*corev1.Pod, error) { return nil, broken }})
	a := admission.NewAttributesRecord(nil, nil, schema.GroupVersionKind{}, "blue", "p", corev1.SchemeGroupVersion.WithResource("pods"), "", admission.Delete, nil, false, kubeletOf("a"))
	if err := r.Admit(t.Context(), a, nil); !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want it forbidden", err)
	}
}

var audienceRole = &rbacv1.ClusterRole{
	ObjectMeta: metav1.ObjectMeta{Name: "node-audience"},
	Rules:      []rbacv1.PolicyRule{{Verbs: []string{audienceVerb}, APIGroups: []string{""}, Resources: []string{"granted-audience"}}},
}

var audienceBinding = &rbacv1.ClusterRoleBinding{
	ObjectMeta: metav1.ObjectMeta{Name: "node-audience"},
	RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "node-audience"},
	Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: user.NodesGroup}},
}
