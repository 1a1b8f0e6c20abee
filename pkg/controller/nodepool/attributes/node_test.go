// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/poolattributes"
	"github.com/steppe-io/steppe/test/testcluster"
)

// The tests of this file call Reconcile one step after the other on a real
// kube-apiserver, reading from it directly, so nothing depends on time. What
// goes through a cache is tested in package nodepool.

var cluster *testcluster.Cluster

func TestMain(m *testing.M) { testcluster.Main(m, &cluster) }

// fixture is a reconciler and the Events that it has recorded.
type fixture struct {
	*testcluster.Cluster
	t        *testing.T
	recorder *events.FakeRecorder
	*Reconciler
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	c := testcluster.Need(t, cluster)
	if err := c.ServeNodePools(t.Context()); err != nil {
		t.Fatal(err)
	}
	recorder := events.NewFakeRecorder(100)
	return &fixture{Cluster: c, t: t, recorder: recorder, Reconciler: newReconciler(c.Client, c.Client, recorder)}
}

// with returns the fixture with another client for the reconciler.
func (f *fixture) with(c client.Client) *fixture {
	other := *f
	other.Reconciler = &Reconciler{client: c, live: f.Client, report: f.report, writes: f.writes}
	return &other
}

func (f *fixture) try(node string) (reconcile.Result, error) {
	return f.Reconcile(f.t.Context(), request(node))
}

// reconcile brings a node to rest and checks that it is: another pass must
// write nothing.
func (f *fixture) reconcile(node string) {
	f.t.Helper()
	if result, err := f.try(node); err != nil || !result.IsZero() {
		f.t.Fatalf("Reconcile: %v, %v", result, err)
	}
	before := f.Node(f.t, node)
	if result, err := f.try(node); err != nil || !result.IsZero() {
		f.t.Fatalf("Reconcile again: %v, %v", result, err)
	}
	if diff := cmp.Diff(before, f.Node(f.t, node)); diff != "" {
		f.t.Fatalf("A second pass wrote again: -before, +after:\n%s", diff)
	}
}

// events returns the reasons of the Events since the last call.
func (f *fixture) events() (reasons []string) {
	for {
		select {
		case e := <-f.recorder.Events:
			reasons = append(reasons, strings.Fields(e)[1])
		default:
			return reasons
		}
	}
}

// expect compares what a node has beside what it was born with.
func (f *fixture) expect(name string, labels, annotations map[string]string, taints []corev1.Taint) {
	f.t.Helper()
	node := f.Node(f.t, name)
	delete(node.Labels, corev1.LabelHostname)
	delete(node.Labels, apps.LabelNodePool)
	delete(node.Annotations, apps.AnnotationPreviousAttributes)
	for what, diff := range map[string]string{
		"labels":      cmp.Diff(labels, node.Labels, cmpopts.EquateEmpty()),
		"annotations": cmp.Diff(annotations, node.Annotations, cmpopts.EquateEmpty()),
		"taints":      cmp.Diff(taints, node.Spec.Taints, cmpopts.EquateEmpty()),
	} {
		if diff != "" {
			f.t.Fatalf("%s of %s: -want, +got:\n%s", what, name, diff)
		}
	}
}

// expectClean checks that nothing at all reminds of a pool.
func (f *fixture) expectClean(name string) {
	f.t.Helper()
	f.expect(name, nil, nil, nil)
	node := f.Node(f.t, name)
	if record, ok := node.Annotations[apps.AnnotationPreviousAttributes]; ok {
		f.t.Errorf("the record %s is still there", record)
	}
	if own := ownEntry(node); own != nil {
		f.t.Errorf("still owned: %s", own.FieldsV1)
	}
}

// fullSpec gives one of each.
func fullSpec(value string) appsv1beta2.NodePoolSpec {
	return appsv1beta2.NodePoolSpec{
		Labels:      labels{"example.com/tier": value},
		Annotations: labels{"example.com/note": value},
		Taints:      taints("example.com/site="+value+":NoSchedule", "example.com/out=yes:NoExecute"),
	}
}

func (f *fixture) expectFull(name, value string) {
	f.t.Helper()
	f.expect(name, fullSpec(value).Labels, fullSpec(value).Annotations, fullSpec(value).Taints)
}

func (f *fixture) join(name, value string) {
	f.t.Helper()
	f.CreatePool(f.t, name, fullSpec(value))
	f.CreateNode(f.t, name, name)
	f.reconcile(name)
	f.expectFull(name, value)
}

func TestJoin(t *testing.T) {
	f := newFixture(t)
	f.join("join", "gold")
	node := f.Node(t, "join")
	own := ownKeys(node)
	if !own.labels.Has("example.com/tier") || !own.annotations.HasAll("example.com/note", apps.AnnotationPreviousAttributes) {
		t.Errorf("%s owns only %v", FieldManager, own)
	}
	const record = `{"labels":{"example.com/tier":"gold"},"annotations":{"example.com/note":"gold"},"taints":[` +
		`{"key":"example.com/out","value":"yes","effect":"NoExecute"},{"key":"example.com/site","value":"gold","effect":"NoSchedule"}],"pool":"join"}`
	if diff := cmp.Diff(record, node.Annotations[apps.AnnotationPreviousAttributes]); diff != "" {
		t.Errorf("record: -want, +got:\n%s", diff)
	}
	if got := f.events(); got != nil {
		t.Errorf("a join without trouble recorded %v", got)
	}
}

func TestNodeWithoutPoolIsLeftAlone(t *testing.T) {
	f := newFixture(t)
	f.CreateNode(t, "alone", "")
	before := f.Node(t, "alone")
	f.reconcile("alone")
	if diff := cmp.Diff(before, f.Node(t, "alone")); diff != "" {
		t.Errorf("-before, +after:\n%s", diff)
	}
}

func TestDriftIsRepaired(t *testing.T) {
	f := newFixture(t)
	f.join("drift", "gold")
	cases := map[string]struct {
		reason string
		change func(*corev1.Node)
	}{
		"LabelChanged":      {"kubectl label --overwrite takes the field from the applier", func(n *corev1.Node) { n.Labels["example.com/tier"] = "theirs" }},
		"LabelRemoved":      {"kubectl label tier-", func(n *corev1.Node) { delete(n.Labels, "example.com/tier") }},
		"AnnotationChanged": {"kubectl annotate --overwrite", func(n *corev1.Node) { n.Annotations["example.com/note"] = "theirs" }},
		"AnnotationRemoved": {"kubectl annotate note-", func(n *corev1.Node) { delete(n.Annotations, "example.com/note") }},
		"TaintChanged":      {"kubectl taint --overwrite", func(n *corev1.Node) { n.Spec.Taints[0].Value = "theirs" }},
		"TaintRemoved":      {"kubectl taint site-", func(n *corev1.Node) { n.Spec.Taints = n.Spec.Taints[1:] }},
		"RecordRemoved":     {"what is owned by apply is still known", func(n *corev1.Node) { delete(n.Annotations, apps.AnnotationPreviousAttributes) }},
		"Everything": {"all at once", func(n *corev1.Node) {
			delete(n.Labels, "example.com/tier")
			n.Annotations["example.com/note"] = "theirs"
			n.Spec.Taints = nil
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := *f
			f.t = t
			f.Update(t, "drift", tc.change)
			f.reconcile("drift")
			node := f.Node(t, "drift")
			// Which of two taints is first may change, and means nothing.
			slices.SortFunc(node.Spec.Taints, func(a, b corev1.Taint) int { return -strings.Compare(a.Key, b.Key) })
			if diff := cmp.Diff(fullSpec("gold").Taints, node.Spec.Taints); diff != "" {
				t.Errorf("%s: taints: -want, +got:\n%s", tc.reason, diff)
			}
			if node.Labels["example.com/tier"] != "gold" || node.Annotations["example.com/note"] != "gold" {
				t.Errorf("%s: not repaired: %v, %v", tc.reason, node.Labels, node.Annotations)
			}
			if owners := ownersOf(node, labelsOf, "example.com/tier"); owners != (coOwners{own: true}) {
				t.Errorf("%s: the label is owned by %+v", tc.reason, owners)
			}
		})
	}
}

func TestForeignValuesAreNotClobbered(t *testing.T) {
	f := newFixture(t)
	spec := fullSpec("gold")
	spec.Labels["example.com/free"] = "yes"
	f.CreatePool(t, "foreign", spec)
	f.CreateNode(t, "foreign", "foreign", func(n *corev1.Node) {
		n.Labels["example.com/tier"] = "theirs"
		n.Annotations = labels{"example.com/note": "theirs"}
		n.Spec.Taints = taints("example.com/site=theirs:NoSchedule")
	})
	f.reconcile("foreign")
	f.expect("foreign", labels{"example.com/tier": "theirs", "example.com/free": "yes"}, labels{"example.com/note": "theirs"},
		taints("example.com/site=theirs:NoSchedule", "example.com/out=yes:NoExecute"))
	if diff := cmp.Diff([]string{ReasonForeignValue}, f.events()); diff != "" {
		t.Errorf("events, of two passes: -want, +got:\n%s", diff)
	}

	t.Log("The pool gets what the other lets go.")
	f.Update(t, "foreign", func(n *corev1.Node) {
		delete(n.Labels, "example.com/tier")
		delete(n.Annotations, "example.com/note")
		n.Spec.Taints = n.Spec.Taints[1:]
	})
	f.reconcile("foreign")
	f.expect("foreign", spec.Labels, spec.Annotations, taints("example.com/out=yes:NoExecute", "example.com/site=gold:NoSchedule"))
	f.Label(t, "foreign", apps.LabelNodePool, "")
	f.reconcile("foreign")
	f.expectClean("foreign")
	if got := f.events(); got != nil {
		t.Errorf("and then recorded %v", got)
	}
}

func TestSharedValuesStayWhenTheNodeLeaves(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "shared", fullSpec("gold"))
	f.CreateNode(t, "shared", "shared", func(n *corev1.Node) {
		n.Labels["example.com/tier"] = "gold"
		n.Annotations = labels{"example.com/note": "gold"}
		n.Spec.Taints = taints("example.com/site=gold:NoSchedule")
	})
	f.reconcile("shared")
	f.expectFull("shared", "gold")
	if owners := ownersOf(f.Node(t, "shared"), labelsOf, "example.com/tier"); owners != (coOwners{own: true, updater: true}) {
		t.Errorf("the shared label is owned by %+v", owners)
	}
	f.Label(t, "shared", apps.LabelNodePool, "")
	f.reconcile("shared")
	f.expect("shared", fullSpec("gold").Labels, fullSpec("gold").Annotations, taints("example.com/site=gold:NoSchedule"))
	if own := ownEntry(f.Node(t, "shared")); own != nil {
		t.Errorf("still owned: %s", own.FieldsV1)
	}
}

func TestAnotherApplierKeepsWhatItDeclares(t *testing.T) {
	f := newFixture(t)
	f.join("applier", "gold")
	body := `{"apiVersion":"v1","kind":"Node","metadata":{"name":"applier","labels":{"example.com/tier":"gold"}}}`
	if err := f.Client.Patch(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "applier"}},
		client.RawPatch("application/apply-patch+yaml", []byte(body)), client.FieldOwner("gitops")); err != nil {
		t.Fatal(err)
	}
	f.Label(t, "applier", apps.LabelNodePool, "")
	f.reconcile("applier")
	f.expect("applier", labels{"example.com/tier": "gold"}, nil, nil)
}

func TestLeave(t *testing.T) {
	f := newFixture(t)
	f.join("leave", "gold")
	f.Update(t, "leave", func(n *corev1.Node) { n.Spec.Taints = append(taints("other:NoSchedule"), n.Spec.Taints...) })
	f.Label(t, "leave", apps.LabelNodePool, "")
	f.reconcile("leave")
	f.expect("leave", nil, nil, taints("other:NoSchedule"))
	if own := ownEntry(f.Node(t, "leave")); own != nil {
		t.Errorf("still owned: %s", own.FieldsV1)
	}
}

func TestMove(t *testing.T) {
	f := newFixture(t)
	f.join("move", "gold")
	spec := fullSpec("silver")
	spec.Taints = spec.Taints[:1] // silver keeps one taint with another value, and not the other
	spec.Annotations = labels{"example.com/new": "yes"}
	f.CreatePool(t, "move-to", spec)
	f.Label(t, "move", apps.LabelNodePool, "move-to")
	f.reconcile("move")
	f.expect("move", spec.Labels, spec.Annotations, spec.Taints)
	if diff := cmp.Diff([]string{ReasonPoolChanged}, f.events()); diff != "" {
		t.Errorf("events: -want, +got:\n%s", diff)
	}
}

func TestPoolSpecChanges(t *testing.T) {
	f := newFixture(t)
	f.join("change", "gold")
	f.UpdatePool(t, "change", func(p *appsv1beta2.NodePool) { p.Spec = fullSpec("silver") })
	f.reconcile("change")
	f.expectFull("change", "silver")
	f.UpdatePool(t, "change", func(p *appsv1beta2.NodePool) { p.Spec = appsv1beta2.NodePoolSpec{} })
	f.reconcile("change")
	f.expectClean("change")
}

func (f *fixture) deletePool(name string) {
	f.t.Helper()
	if err := f.Client.Delete(f.t.Context(), f.Pool(f.t, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) expectEvents(want ...string) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.events(), cmpopts.EquateEmpty()); diff != "" {
		f.t.Errorf("events: -want, +got:\n%s", diff)
	}
}

// TestPoolIsLost: nobody can delete a pool that has nodes, so it has not been
// deleted on purpose, and a site must not lose its taints for it.
func TestPoolIsLost(t *testing.T) {
	f := newFixture(t)
	f.join("lost", "gold")
	f.deletePool("lost")
	before := f.Node(t, "lost")
	f.reconcile("lost")
	if diff := cmp.Diff(before, f.Node(t, "lost")); diff != "" {
		t.Fatalf("the node was written: -before, +after:\n%s", diff)
	}
	f.expectEvents(ReasonPoolNotFound)

	t.Log("It comes back with other attributes.")
	f.CreatePool(t, "lost", fullSpec("silver"))
	f.reconcile("lost")
	f.expectFull("lost", "silver")
	f.expectEvents()

	t.Log("And is lost once more; now the node leaves.")
	f.deletePool("lost")
	f.reconcile("lost")
	f.expectFull("lost", "silver")
	f.expectEvents(ReasonPoolNotFound)
	f.Label(t, "lost", apps.LabelNodePool, "")
	f.reconcile("lost")
	f.expectClean("lost")
}

// TestPoolIsLostWithUnnamedRecord: OpenYurt does not record whose attributes
// they are. Whether the node has moved cannot be told, so everything stays.
func TestPoolIsLostWithUnnamedRecord(t *testing.T) {
	f := newFixture(t)
	f.openYurtNode("unmigrated", "unmigrated")
	before := f.Node(t, "unmigrated")
	f.reconcile("unmigrated")
	if diff := cmp.Diff(before, f.Node(t, "unmigrated")); diff != "" {
		t.Errorf("the node was written: -before, +after:\n%s", diff)
	}
	f.expectEvents(ReasonPoolNotFound)

	t.Log("The migration brings the pool: there is nothing to change but ownership.")
	f.CreatePool(t, "unmigrated", fullSpec("gold"))
	f.reconcile("unmigrated")
	f.expectFull("unmigrated", "gold")
	f.deletePool("unmigrated")
	f.Label(t, "unmigrated", apps.LabelNodePool, "")
	f.reconcile("unmigrated")
	f.expectClean("unmigrated")
}

// TestPoolIsLostWithItsRecord: what is owned by apply does not tell the pool.
func TestPoolIsLostWithItsRecord(t *testing.T) {
	f := newFixture(t)
	f.join("lost-both", "gold")
	f.deletePool("lost-both")
	f.Update(t, "lost-both", func(n *corev1.Node) { delete(n.Annotations, apps.AnnotationPreviousAttributes) })
	f.reconcile("lost-both")
	f.expectFull("lost-both", "gold")
}

func TestMoveToMissingPool(t *testing.T) {
	f := newFixture(t)
	f.join("stray", "gold")
	f.Label(t, "stray", apps.LabelNodePool, "stray-typo")
	f.reconcile("stray")
	f.expectClean("stray")
	f.expectEvents(ReasonPoolChanged, ReasonPoolNotFound)
	f.Label(t, "stray", apps.LabelNodePool, "stray")
	f.reconcile("stray")
	f.expectFull("stray", "gold")
}

// TestMoveBetweenEqualPools: the record must follow the node, or it would lose
// everything when its new pool is lost.
func TestMoveBetweenEqualPools(t *testing.T) {
	f := newFixture(t)
	f.join("equal", "gold")
	f.CreatePool(t, "equal-to", fullSpec("gold"))
	f.Label(t, "equal", apps.LabelNodePool, "equal-to")
	f.reconcile("equal")
	f.deletePool("equal-to")
	f.reconcile("equal")
	f.expectFull("equal", "gold")
}

// TestNameJoinsTheRecordWithTheNextWrite: an upgrade does not write every node.
func TestNameJoinsTheRecordWithTheNextWrite(t *testing.T) {
	f := newFixture(t)
	f.join("unnamed", "gold")
	named := f.Node(t, "unnamed").Annotations[apps.AnnotationPreviousAttributes]
	unnamed := strings.Replace(named, `,"pool":"unnamed"`, "", 1)
	body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"unnamed","labels":{"example.com/tier":"gold"},"annotations":{"example.com/note":"gold",%q:%q}}}`,
		apps.AnnotationPreviousAttributes, unnamed)
	if err := f.Client.Patch(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "unnamed"}},
		client.RawPatch("application/apply-patch+yaml", []byte(body)), client.FieldOwner(FieldManager)); err != nil {
		t.Fatal(err)
	}
	f.reconcile("unnamed")
	if got := f.Node(t, "unnamed").Annotations[apps.AnnotationPreviousAttributes]; got != unnamed {
		t.Errorf("a node that is as it should be was written; its record is %s, was %s", got, unnamed)
	}
	f.UpdatePool(t, "unnamed", func(p *appsv1beta2.NodePool) { p.Spec = fullSpec("silver") })
	f.reconcile("unnamed")
	if got := f.Node(t, "unnamed").Annotations[apps.AnnotationPreviousAttributes]; !strings.Contains(got, `"pool":"unnamed"`) {
		t.Errorf("the record is %s", got)
	}
}

func TestPoolIsBeingDeleted(t *testing.T) {
	f := newFixture(t)
	f.join("dying", "gold")
	f.UpdatePool(t, "dying", func(p *appsv1beta2.NodePool) { p.Finalizers = []string{"example.com/hold"} })
	if err := f.Client.Delete(t.Context(), f.Pool(t, "dying")); err != nil {
		t.Fatal(err)
	}
	f.reconcile("dying")
	f.expectClean("dying")
	f.UpdatePool(t, "dying", func(p *appsv1beta2.NodePool) { p.Finalizers = nil })
}

// TestPoolsThatCannotBeSeenAreNotGone: a cache that lacks a pool, for whatever
// reason, is no proof, and a site must not lose its taints for it.
func TestPoolsThatCannotBeSeenAreNotGone(t *testing.T) {
	f := newFixture(t)
	f.join("unseen", "gold")
	emptyCache := interceptor.NewClient(f.Client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*appsv1beta2.NodePool); ok {
				return apierrors.NewNotFound(appsv1beta2.Resource("nodepools"), key.Name)
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})
	answers := map[string]struct {
		err   error // of the server, nil for the pool
		retry bool  // by the controller's own delay, not as an error
	}{
		"Lagging":     {nil, true},
		"NotServed":   {apierrors.NewGenericServerResponse(http.StatusNotFound, "get", appsv1beta2.Resource("nodepools"), "unseen", "404 page not found", 0, true), false},
		"Unavailable": {apierrors.NewServiceUnavailable("no endpoints"), false},
		"Broken":      {errors.New("connection refused"), false},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			g := f.with(emptyCache)
			g.t = t
			g.live = interceptor.NewClient(f.Client, interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
					if answer.err != nil {
						return answer.err
					}
					return c.Get(ctx, key, obj, opts...)
				},
			})
			result, err := g.try("unseen")
			if (err == nil) != answer.retry || (result.RequeueAfter > 0) != answer.retry {
				t.Errorf("Reconcile: %v, %v", result, err)
			}
			g.expectFull("unseen", "gold")
		})
	}
	if got := f.events(); got != nil {
		t.Errorf("recorded %v", got)
	}
}

func TestPoolDoesNotExist(t *testing.T) {
	f := newFixture(t)
	f.CreateNode(t, "nowhere", "nowhere")
	before := f.Node(t, "nowhere")
	f.reconcile("nowhere")
	if diff := cmp.Diff(before, f.Node(t, "nowhere")); diff != "" {
		t.Errorf("-before, +after:\n%s", diff)
	}
	if diff := cmp.Diff([]string{ReasonPoolNotFound}, f.events()); diff != "" {
		t.Errorf("events, of two passes: -want, +got:\n%s", diff)
	}
}

func TestRefusedAttributes(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "refused", appsv1beta2.NodePoolSpec{Labels: labels{apps.LabelNodePool: "elsewhere", "example.com/good": "yes", "bad": "not a value"}})
	f.CreateNode(t, "refused", "refused")
	f.reconcile("refused")
	f.expect("refused", labels{"example.com/good": "yes"}, nil, nil)
	if pool := f.Node(t, "refused").Labels[apps.LabelNodePool]; pool != "refused" {
		t.Errorf("the node is in pool %q now", pool)
	}
	if diff := cmp.Diff([]string{ReasonAttributeRefused}, f.events()); diff != "" {
		t.Errorf("events, of two passes: -want, +got:\n%s", diff)
	}
}

func TestHostNetwork(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "host", appsv1beta2.NodePoolSpec{HostNetwork: true})
	f.CreateNode(t, "host", "host", func(n *corev1.Node) { n.Labels[poolattributes.LabelHostNetwork] = "true" }) // by OpenYurt's webhook
	f.reconcile("host")
	f.Label(t, "host", apps.LabelNodePool, "")
	f.reconcile("host")
	f.expectClean("host")
}

// openYurtNode is a node as OpenYurt's controller leaves it.
func (f *fixture) openYurtNode(name, pool string) {
	f.t.Helper()
	openYurt := client.WithFieldOwner(f.Client, "yurt-manager")
	node := f.CreateNode(f.t, name, pool)
	node.Labels["example.com/tier"] = "gold"
	node.Annotations = labels{
		"example.com/note": "gold",
		apps.AnnotationPreviousAttributes: `{"labels":{"example.com/tier":"gold"},"annotations":{"example.com/note":"gold"},` +
			`"taints":[{"key":"example.com/site","value":"gold","effect":"NoSchedule"},{"key":"example.com/out","value":"yes","effect":"NoExecute"}]}`,
	}
	node.Spec.Taints = fullSpec("gold").Taints
	if err := openYurt.Update(f.t.Context(), node); err != nil {
		f.t.Fatal(err)
	}
}

func TestOpenYurtsLeftovers(t *testing.T) {
	f := newFixture(t)
	f.openYurtNode("left-behind", "")
	f.reconcile("left-behind")
	f.expectClean("left-behind")
}

func TestOpenYurtsNodesAreTakenOver(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "takeover", fullSpec("gold"))
	f.openYurtNode("takeover", "takeover")
	f.reconcile("takeover")
	f.expectFull("takeover", "gold")
	f.UpdatePool(t, "takeover", func(p *appsv1beta2.NodePool) { p.Spec = fullSpec("silver") })
	f.reconcile("takeover")
	f.expectFull("takeover", "silver")
	f.Label(t, "takeover", apps.LabelNodePool, "")
	f.reconcile("takeover")
	f.expectClean("takeover")
}

func TestOpenYurtsNodesLeaveUntouched(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "touch", fullSpec("gold"))
	f.openYurtNode("touch", "touch")
	f.reconcile("touch")
	f.Label(t, "touch", apps.LabelNodePool, "")
	f.reconcile("touch")
	f.expectClean("touch")
}

// TestForgedRecord: a kubelet may write annotations of its node, but not change
// its taints, nor the labels that NodeRestriction guards. Nor may it have that
// done by writing a record.
func TestForgedRecord(t *testing.T) {
	f := newFixture(t)
	guarded := taints("node-role.kubernetes.io/control-plane:NoSchedule", "node.kubernetes.io/unschedulable:NoSchedule")
	kept := labels{"node-restriction.kubernetes.io/tenant": "a", "node-role.kubernetes.io/control-plane": ""}
	f.CreatePool(t, "forged", appsv1beta2.NodePoolSpec{})
	f.CreateNode(t, "forged", "forged", func(n *corev1.Node) {
		maps.Copy(n.Labels, kept)
		n.Annotations = labels{apps.AnnotationPreviousAttributes: Set{Labels: kept, Taints: guarded, Pool: "forged"}.text()}
		n.Spec.Taints = guarded
		n.Spec.Unschedulable = true // or its taint would be taken away
	})
	f.reconcile("forged")
	f.expect("forged", kept, nil, guarded)
	f.Label(t, "forged", apps.LabelNodePool, "")
	f.reconcile("forged")
	f.expect("forged", kept, nil, guarded)
}

func TestMalformedRecord(t *testing.T) {
	f := newFixture(t)
	f.join("malformed", "gold")
	f.Update(t, "malformed", func(n *corev1.Node) {
		n.Annotations[apps.AnnotationPreviousAttributes] = `{"labels":`
		n.Labels["example.com/tier"] = "theirs"
	})
	f.UpdatePool(t, "malformed", func(p *appsv1beta2.NodePool) { p.Spec.Annotations = nil })
	f.reconcile("malformed")
	f.expect("malformed", labels{"example.com/tier": "theirs"}, nil, fullSpec("gold").Taints)
	want := []string{ReasonForeignValue, ReasonRecordMalformed}
	if diff := cmp.Diff(want, f.events()); diff != "" {
		t.Errorf("events: -want, +got:\n%s", diff)
	}
}

// frozen is a client whose reads of nodes give an old copy, as a cache does.
func (f *fixture) frozen(node *corev1.Node) client.Client {
	return interceptor.NewClient(f.Client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if n, ok := obj.(*corev1.Node); ok {
				node.DeepCopyInto(n)
				return nil
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})
}

func TestNodeIsDeletedInTheMiddle(t *testing.T) {
	f := newFixture(t)
	f.join("vanish", "gold")
	for name, change := range map[string]func(*corev1.Node){
		"Joining": func(n *corev1.Node) {
			n.Labels, n.Annotations, n.Spec.Taints, n.ManagedFields = labels{apps.LabelNodePool: "vanish"}, nil, nil, nil
		},
		"Drifted": func(n *corev1.Node) { n.Spec.Taints = nil },
		"Leaving": func(n *corev1.Node) { n.Labels = labels{"example.com/tier": "gold"} },
	} {
		t.Run(name, func(t *testing.T) {
			node := f.Node(t, "vanish")
			node.Name = "vanish-" + strings.ToLower(name) // of which the server knows nothing any more
			change(node)
			if _, err := f.with(f.frozen(node)).try(node.Name); err != nil {
				t.Errorf("Reconcile: %v", err)
			}
			err := f.Client.Get(t.Context(), client.ObjectKeyFromObject(node), node)
			if !apierrors.IsNotFound(err) {
				t.Errorf("the node has come back: %v", err)
			}
		})
	}
}

// TestNodeIsReplacedInTheMiddle: a machine that was deleted and has registered
// again is another node, though the name is the same.
func TestNodeIsReplacedInTheMiddle(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "replaced", fullSpec("gold"))
	old := f.CreateNode(t, "replaced", "replaced")
	if err := f.Client.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	f.CreateNode(t, "replaced", "")
	result, err := f.with(f.frozen(old)).try("replaced")
	if err != nil || result.RequeueAfter == 0 {
		t.Errorf("Reconcile: %v, %v, want another try", result, err)
	}
	f.expectClean("replaced")
}

// TestOldCopies: whatever is decided on an old copy must not overwrite what
// somebody has done since.
func TestOldCopies(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "old", fullSpec("gold"))
	f.CreateNode(t, "old", "old")
	unlabelled := f.Node(t, "old")
	f.Update(t, "old", func(n *corev1.Node) {
		n.Labels["example.com/tier"] = "theirs"
		n.Spec.Taints = taints("example.com/site=theirs:NoSchedule")
	})
	expectRetry := func(copied *corev1.Node) {
		t.Helper()
		result, err := f.with(f.frozen(copied)).try("old")
		if err != nil || result.RequeueAfter == 0 {
			t.Fatalf("Reconcile: %v, %v, want another try", result, err)
		}
	}
	expectRetry(unlabelled)
	f.expect("old", labels{"example.com/tier": "theirs"}, nil, taints("example.com/site=theirs:NoSchedule"))

	t.Log("As well between the record and the taints: the second write hits a newer node.")
	interfering := f.with(interceptor.NewClient(f.Client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := c.Patch(ctx, obj, patch, opts...); err != nil {
				return err
			}
			f.Update(t, "old", func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, taint("late:NoSchedule")) })
			return nil
		},
	}))
	if result, err := interfering.try("old"); err != nil || result.RequeueAfter == 0 {
		t.Fatalf("Reconcile: %v, %v, want another try", result, err)
	}
	f.reconcile("old")
	f.expect("old", labels{"example.com/tier": "theirs"}, fullSpec("gold").Annotations,
		taints("example.com/site=theirs:NoSchedule", "late:NoSchedule", "example.com/out=yes:NoExecute"))

	t.Log("And when leaving.")
	f.Label(t, "old", apps.LabelNodePool, "")
	leaving := f.Node(t, "old")
	f.Label(t, "old", apps.LabelNodePool, "old")
	expectRetry(leaving)
	if f.Node(t, "old").Annotations["example.com/note"] != "gold" {
		t.Error("a node that is in its pool again has lost its attributes")
	}
}

// TestCacheLagsBehindOwnWrites: a copy from before our own write is not worth a
// request.
func TestCacheLagsBehindOwnWrites(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "lag", fullSpec("gold"))
	f.CreateNode(t, "lag", "lag")
	before := f.Node(t, "lag")
	f.reconcile("lag")
	f.writes.wrote(f.Node(t, "lag")) // which the direct reads of this test have made it forget
	lagging := f.with(interceptor.NewClient(f.frozen(before).(client.WithWatch), interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			t.Error("a write was tried")
			return nil
		},
	}))
	if result, err := lagging.try("lag"); err != nil || result.RequeueAfter == 0 {
		t.Errorf("Reconcile: %v, %v, want another try", result, err)
	}
	f.reconcile("lag")
	if len(f.writes.nodes) != 0 {
		t.Errorf("still remembers %v", f.writes.nodes)
	}
}

var errKilled = errors.New("killed")

// killed is a client that carries out that many writes and then fails for ever.
// If the last one is lost, it is carried out, but its answer does not arrive.
func (f *fixture) killed(writes int, lost bool) client.Client {
	done := 0
	return interceptor.NewClient(f.Client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if done >= writes {
				return errKilled
			}
			done++
			err := c.Patch(ctx, obj, patch, opts...)
			if lost && err == nil && done == writes {
				return errKilled
			}
			return err
		},
	})
}

// TestWriteIsRefused: asking again does not help, so somebody must be told, but
// not each time.
func TestWriteIsRefused(t *testing.T) {
	f := newFixture(t)
	f.CreatePool(t, "full", appsv1beta2.NodePoolSpec{Annotations: labels{"example.com/note": strings.Repeat("n", 30_000)}})
	f.CreateNode(t, "full", "full", func(n *corev1.Node) {
		n.Annotations = labels{"example.com/big": strings.Repeat("b", 220_000)} // of the 256 KiB that a node can have
	})
	for range 3 {
		if _, err := f.try("full"); !apierrors.IsInvalid(err) {
			t.Fatalf("Reconcile: %v, want an invalid node, to be tried again", err)
		}
	}
	select {
	case event := <-f.recorder.Events:
		if !strings.Contains(event, ReasonWriteRefused) || !strings.Contains(event, "must have at most 262144 bytes") && !strings.Contains(event, "Too long") {
			t.Errorf("the Event is %s", event)
		}
	default:
		t.Error("no Event")
	}
	f.expectEvents()

	t.Log("When it has been accepted, the next refusal is news.")
	f.UpdatePool(t, "full", func(p *appsv1beta2.NodePool) { p.Spec.Annotations = labels{"example.com/note": "short"} })
	f.reconcile("full")
	f.expectEvents()
	f.UpdatePool(t, "full", func(p *appsv1beta2.NodePool) {
		p.Spec.Annotations["example.com/note"] = strings.Repeat("n", 30_000)
	})
	if _, err := f.try("full"); !apierrors.IsInvalid(err) {
		t.Errorf("Reconcile: %v, want an invalid node", err)
	}
	f.expectEvents(ReasonWriteRefused)
}

// killedFixture has two pools and says with what nodes are born.
func killedFixture(t *testing.T) (f *fixture, bornWith func(*corev1.Node)) {
	f = newFixture(t)
	f.CreatePool(t, "killed-gold", fullSpec("gold"))
	silver := fullSpec("silver")
	silver.Labels["example.com/more"] = "yes"
	silver.Taints = append(silver.Taints[:1], taint("example.com/new:NoExecute"))
	f.CreatePool(t, "killed-silver", silver)
	return f, func(n *corev1.Node) {
		n.Labels["example.com/own"] = "mine"
		n.Spec.Taints = taints("example.com/own:NoSchedule")
	}
}

// killAfterEachWrite makes a node move, kills the controller after each write
// that this takes, and has then checked what is left.
func (f *fixture) killAfterEachWrite(what, from, to string, bornWith func(*corev1.Node), check func(node string)) {
	f.t.Helper()
	for _, lost := range []bool{false, true} {
		killed := 0
		for writes := 0; ; writes++ {
			if lost && writes == 0 {
				continue
			}
			name := fmt.Sprintf("killed-%s-%d-%v", what, writes, lost)
			f.CreateNode(f.t, name, from, bornWith)
			f.reconcile(name)
			f.Label(f.t, name, apps.LabelNodePool, to)
			_, err := f.with(f.killed(writes, lost)).try(name)
			if err != nil && !errors.Is(err, errKilled) {
				f.t.Fatalf("%s: %v", name, err)
			}
			check(name)
			if err == nil {
				break // it took fewer writes
			}
			killed++
		}
		if killed == 0 {
			f.t.Errorf("%s has not been killed once", what)
		}
		f.t.Logf("%s, answer lost %v: killed %d times", what, lost, killed)
	}
}

var killedMoves = map[string]struct{ from, to string }{
	"join":  {"", "killed-gold"},
	"move":  {"killed-gold", "killed-silver"},
	"back":  {"killed-silver", "killed-gold"},
	"leave": {"killed-gold", ""},
	"stray": {"killed-gold", "killed-typo"},
}

// TestKilledBetweenWrites kills the controller after each write of each change,
// then lets the node leave: whatever was written must be taken away, and
// nothing else.
func TestKilledBetweenWrites(t *testing.T) {
	f, bornWith := killedFixture(t)
	for _, what := range slices.Sorted(maps.Keys(killedMoves)) {
		move := killedMoves[what]
		f.killAfterEachWrite(what, move.from, move.to, bornWith, func(node string) {
			f.Label(t, node, apps.LabelNodePool, "")
			f.reconcile(node)
			f.expect(node, labels{"example.com/own": "mine"}, nil, taints("example.com/own:NoSchedule"))
		})
	}
}

// TestKilledBetweenWritesThenPoolsLost: what the pool has put on its node by
// then must stay when the pool is lost, except what is left of the pool before.
func TestKilledBetweenWritesThenPoolsLost(t *testing.T) {
	f, bornWith := killedFixture(t)
	noPools := interceptor.NewClient(f.Client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*appsv1beta2.NodePool); ok {
				return apierrors.NewNotFound(appsv1beta2.Resource("nodepools"), key.Name)
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})
	for _, what := range slices.Sorted(maps.Keys(killedMoves)) {
		move := killedMoves[what]
		f.killAfterEachWrite("lost-"+what, move.from, move.to, bornWith, func(node string) {
			before := f.Node(t, node)
			record, malformed := recordOf(before)
			if malformed != nil {
				t.Fatal(malformed)
			}
			g := f.with(noPools)
			g.live = noPools
			g.reconcile(node)
			after := f.Node(t, node)
			switch {
			case move.to != "" && record.isOf(move.to):
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("%s was written: -before, +after:\n%s", node, diff)
				}
			default:
				f.expect(node, labels{"example.com/own": "mine"}, nil, taints("example.com/own:NoSchedule"))
			}
			// And all is well when the pools are back.
			f.reconcile(node)
			f.Label(t, node, apps.LabelNodePool, "")
			f.reconcile(node)
			f.expect(node, labels{"example.com/own": "mine"}, nil, taints("example.com/own:NoSchedule"))
		})
	}
}
