// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package resourcemetrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/utils/clock"
)

// site has nodes and pods, and kubelets that say what a test has them say.
type site struct {
	nodes map[string]*corev1.Node
	pods  []*corev1.Pod

	mu     sync.Mutex // guards the fields below
	says   map[string]func(context.Context) (string, error)
	asked  map[string]int
	asking int
	most   int
}

func newSite(nodes ...string) *site {
	s := &site{nodes: map[string]*corev1.Node{}, says: map[string]func(context.Context) (string, error){}, asked: map[string]int{}}
	for _, name := range nodes {
		s.nodes[name] = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "1", Labels: map[string]string{"name": name}}}
		s.answers(name, figuresOf(container{"shop", "web", "main"}, container{"shop", "web", "sidecar"}, container{"bank", "web", "main"}))
	}
	return s
}

func (s *site) answers(node, text string) {
	s.says[node] = func(context.Context) (string, error) { return text, nil }
}

func (s *site) run(node, namespace, name string) {
	s.pods = append(s.pods, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"of": namespace}},
		Spec:       corev1.PodSpec{NodeName: node},
	})
}

// get is a GetFunc.
func (s *site) get(ctx context.Context, node, path string, query url.Values) (io.ReadCloser, error) {
	if path != "/stats/summary" || query.Get("only_cpu_and_memory") != "true" {
		return nil, fmt.Errorf("asked for %s?%s", path, query.Encode())
	}
	s.mu.Lock()
	s.asked[node]++
	s.asking++
	s.most = max(s.most, s.asking)
	says := s.says[node]
	s.mu.Unlock()
	text, err := says(ctx)
	s.mu.Lock()
	s.asking--
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (s *site) storage() (*nodeMetrics, *podMetrics) {
	k := newKubelets(s.get, clock.RealClock{})
	return &nodeMetrics{k, nodesOf{s}}, &podMetrics{k, podsOf{s}}
}

func matches(options *internalversion.ListOptions, of map[string]string) bool {
	return options.LabelSelector == nil || options.LabelSelector.Matches(labels.Set(of))
}

type nodesOf struct{ *site }

func (s nodesOf) Get(_ context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	if node := s.nodes[name]; node != nil {
		return node, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
}

func (s nodesOf) List(_ context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	list := &corev1.NodeList{}
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		if matches(options, s.nodes[name].Labels) {
			list.Items = append(list.Items, *s.nodes[name])
		}
	}
	return list, nil
}

type podsOf struct{ *site }

func (s podsOf) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	for _, pod := range s.pods {
		if pod.Namespace == request.NamespaceValue(ctx) && pod.Name == name {
			return pod, nil
		}
	}
	return nil, apierrors.NewNotFound(corev1.Resource("pods"), name)
}

func (s podsOf) List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	list := &corev1.PodList{}
	for _, pod := range s.pods {
		if in := request.NamespaceValue(ctx); (in == "" || in == pod.Namespace) && matches(options, pod.Labels) {
			list.Items = append(list.Items, *pod)
		}
	}
	return list, nil
}

type container struct{ namespace, pod, name string }

// figuresOf is a summary in which the n-th container uses n hundredths of a core.
func figuresOf(containers ...container) string {
	var pods []string
	for i, c := range containers {
		text := fmt.Sprintf(`{"name":%q,"cpu":{"time":"2026-11-20T10:00:%02dZ","usageNanoCores":%d},"memory":{"workingSetBytes":%d}}`, c.name, 10-i, (i+1)*10_000_000, (i+1)<<20)
		if i > 0 && containers[i-1].namespace == c.namespace && containers[i-1].pod == c.pod {
			last := &pods[len(pods)-1]
			*last = strings.TrimSuffix(*last, "]}") + "," + text + "]}"
			continue
		}
		pods = append(pods, fmt.Sprintf(`{"podRef":{"name":%q,"namespace":%q,"uid":"x"},"containers":[%s]}`, c.pod, c.namespace, text))
	}
	return `{"node":{"nodeName":"x","cpu":{"time":"2026-11-20T10:00:11Z","usageNanoCores":250000000,"usageCoreNanoSeconds":5},"memory":{"time":"2026-11-20T10:00:11Z","workingSetBytes":1073741824}},"pods":[` +
		strings.Join(pods, ",") + `]}`
}

func namesOf(t *testing.T, list runtime.Object, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	switch list := list.(type) {
	case *metricsv1beta1.NodeMetricsList:
		for _, m := range list.Items {
			names = append(names, m.Name)
		}
	case *metricsv1beta1.PodMetricsList:
		for _, m := range list.Items {
			names = append(names, m.Namespace+"/"+m.Name)
		}
	}
	return names
}

func TestMetricsOfANode(t *testing.T) {
	nodes, _ := newSite("a").storage()
	obj, err := nodes.Get(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	m := obj.(*metricsv1beta1.NodeMetrics)
	if m.CreationTimestamp.IsZero() || m.UID != "" || m.Labels["name"] != "a" {
		t.Errorf("Metadata is %+v", m.ObjectMeta)
	}
	if want := time.Date(2026, 11, 20, 10, 0, 11, 0, time.UTC); !m.Timestamp.Time.Equal(want) || m.Window.Duration != window {
		t.Errorf("It is of %s in %s", m.Timestamp, m.Window.Duration)
	}
	table, err := nodes.ConvertToTable(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"a", "250m", "1Gi", "30s"}, table.Rows[0].Cells); diff != "" {
		t.Errorf("Row (-want +got):\n%s", diff)
	}
}

func TestMetricsOfAPod(t *testing.T) {
	s := newSite("a")
	s.run("a", "shop", "web")
	_, pods := s.storage()
	obj, err := pods.Get(request.WithNamespace(t.Context(), "shop"), "web", nil)
	if err != nil {
		t.Fatal(err)
	}
	m := obj.(*metricsv1beta1.PodMetrics)
	if want := time.Date(2026, 11, 20, 10, 0, 9, 0, time.UTC); !m.Timestamp.Time.Equal(want) {
		t.Errorf("It is of %s, not of the oldest figure", m.Timestamp)
	}
	var got []string
	for _, c := range m.Containers {
		got = append(got, fmt.Sprintf("%s %s %s", c.Name, c.Usage.Cpu(), c.Usage.Memory()))
	}
	if diff := cmp.Diff([]string{"main 10m 1Mi", "sidecar 20m 2Mi"}, got); diff != "" {
		t.Errorf("Containers (-want +got):\n%s", diff)
	}
	table, err := pods.ConvertToTable(t.Context(), &metricsv1beta1.PodMetricsList{Items: []metricsv1beta1.PodMetrics{*m}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"web", "30m", "3Mi", "30s"}, table.Rows[0].Cells); diff != "" {
		t.Errorf("Row (-want +got):\n%s", diff)
	}
}

func TestListsAreOfWhatIsSelected(t *testing.T) {
	s := newSite("a", "b")
	s.run("a", "shop", "web")
	s.run("a", "bank", "web")
	s.run("a", "bank", "unknown to the kubelet")
	s.run("", "bank", "without a node")
	nodes, pods := s.storage()
	byName := &internalversion.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", "b")}
	inBank := &internalversion.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{"of": "bank"})}
	for _, c := range []struct {
		name string
		list func() (runtime.Object, error)
		want []string
	}{
		{"all nodes", func() (runtime.Object, error) { return nodes.List(t.Context(), nil) }, []string{"a", "b"}},
		{"nodes by name", func() (runtime.Object, error) { return nodes.List(t.Context(), byName) }, []string{"b"}},
		{"all pods", func() (runtime.Object, error) { return pods.List(t.Context(), nil) }, []string{"shop/web", "bank/web"}},
		{"pods by namespace", func() (runtime.Object, error) {
			return pods.List(request.WithNamespace(t.Context(), "shop"), nil)
		}, []string{"shop/web"}},
		{"pods by label", func() (runtime.Object, error) { return pods.List(t.Context(), inBank) }, []string{"bank/web"}},
		{"pods by name", func() (runtime.Object, error) { return pods.List(t.Context(), byName) }, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := c.list()
			if diff := cmp.Diff(c.want, namesOf(t, list, err)); diff != "" {
				t.Errorf("List (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAKubeletIsNotBelievedAboutPodsOfOthers(t *testing.T) {
	s := newSite("a", "b")
	s.answers("b", figuresOf())
	s.run("b", "shop", "web") // of which a speaks
	s.run("a", "bank", "web")
	_, pods := s.storage()
	list, err := pods.List(t.Context(), nil)
	if diff := cmp.Diff([]string{"bank/web"}, namesOf(t, list, err)); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

func TestAnswersThatAreNoUse(t *testing.T) {
	const noFigures = "nodes.metrics.k8s.io \"a\" not found"
	for _, c := range []struct {
		name, says string
		reason     metav1.StatusReason
		text       string
	}{
		{"not JSON", "<html>", metav1.StatusReasonServiceUnavailable, "invalid character"},
		{"endless", strings.Repeat(" ", maxSummary+1), metav1.StatusReasonServiceUnavailable, "more than 4194304 bytes"},
		{"nothing", "{}", metav1.StatusReasonNotFound, noFigures},
		{"no rate yet", `{"node":{"cpu":{"time":"2026-11-20T10:00:11Z"},"memory":{"workingSetBytes":1}}}`, metav1.StatusReasonNotFound, noFigures},
		{"too much", `{"node":{"cpu":{"time":"2026-11-20T10:00:11Z","usageNanoCores":18446744073709551615},"memory":{"workingSetBytes":1}}}`, metav1.StatusReasonNotFound, noFigures},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite("a", "b")
			s.answers("a", c.says)
			nodes, _ := s.storage()
			_, err := nodes.Get(t.Context(), "a", nil)
			if err == nil || apierrors.ReasonForError(err) != c.reason || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Got %v", err)
			}
			list, err := nodes.List(t.Context(), nil)
			if diff := cmp.Diff([]string{"b"}, namesOf(t, list, err)); diff != "" {
				t.Errorf("List (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPodWithoutAFigureOfEachContainerIsUnknown(t *testing.T) {
	s := newSite("a")
	s.run("a", "shop", "web")
	s.answers("a", strings.Replace(figuresOf(container{"shop", "web", "main"}, container{"shop", "web", "new"}), `"usageNanoCores":20000000`, `"usageCoreNanoSeconds":1`, 1))
	_, pods := s.storage()
	if _, err := pods.Get(request.WithNamespace(t.Context(), "shop"), "web", nil); !apierrors.IsNotFound(err) {
		t.Errorf("Got %v", err)
	}
}

func TestKubeletsAreNotAskedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite("well", "dead")
		s.says["dead"] = func(context.Context) (string, error) { return "", errors.New("no route to host") }
		nodes, _ := s.storage()
		for _, step := range []struct {
			after      time.Duration
			well, dead int
		}{
			{0, 1, 1},
			{freshFor - 1, 1, 1},
			{1, 2, 1},
			{deadFor - freshFor, 3, 2},
		} {
			time.Sleep(step.after)
			list, err := nodes.List(t.Context(), nil)
			if diff := cmp.Diff([]string{"well"}, namesOf(t, list, err)); diff != "" {
				t.Errorf("List (-want +got):\n%s", diff)
			}
			if s.asked["well"] != step.well || s.asked["dead"] != step.dead {
				t.Errorf("After %s more: asked %v", step.after, s.asked)
			}
		}
		if _, err := nodes.Get(t.Context(), "dead", nil); !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "no route to host") {
			t.Errorf("Got %v", err)
		}
		// Those that nobody asks about are forgotten.
		time.Sleep(forgetAfter + 1)
		nodes.kubelets.answer("new")
		if got := len(nodes.kubelets.answers); got != 1 {
			t.Errorf("%d answers are kept", got)
		}
	})
}

func TestFewAreAskedAtATimeAndNotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 3 * maxAsking {
			names = append(names, fmt.Sprintf("n%02d", i))
		}
		s := newSite(names...)
		for i, name := range names {
			answers := s.says[name]
			s.says[name] = func(ctx context.Context) (string, error) {
				if i%2 == 0 {
					<-ctx.Done()
					return "", ctx.Err()
				}
				time.Sleep(time.Second)
				return answers(ctx)
			}
		}
		nodes, _ := s.storage()
		began := time.Now()
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				list, err := nodes.List(t.Context(), nil)
				if err != nil || len(list.(*metricsv1beta1.NodeMetricsList).Items) != len(names)/2 {
					t.Errorf("Got %v, %v", namesOf(t, list, err), err)
				}
			})
		}
		callers.Wait()
		if took := time.Since(began); took > listTimeout {
			t.Errorf("It took %s", took)
		}
		if s.most > maxAsking {
			t.Errorf("%d were asked at a time", s.most)
		}
		for node, times := range s.asked {
			if times > 1 {
				t.Errorf("%s was asked %d times", node, times)
			}
		}
	})
}

func TestACallerThatGoesIsNotTheKubeletsFault(t *testing.T) {
	s := newSite("a")
	answers := s.says["a"]
	ctx, cancel := context.WithCancel(t.Context())
	s.says["a"] = func(ctx context.Context) (string, error) { cancel(); return "", ctx.Err() }
	nodes, _ := s.storage()
	if _, err := nodes.List(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Got %v", err)
	}
	s.says["a"] = answers
	list, err := nodes.List(t.Context(), nil)
	if diff := cmp.Diff([]string{"a"}, namesOf(t, list, err)); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}
