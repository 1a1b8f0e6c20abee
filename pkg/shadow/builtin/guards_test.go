// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/steppe-io/steppe/pkg/shadow/builtin"
	"github.com/steppe-io/steppe/pkg/shadow/shadowtest"
)

func TestGrantsAreCheckedBeforeTheyAreWritten(t *testing.T) {
	type write struct {
		obj, old runtime.Object
	}
	var mu sync.Mutex
	var writes []write
	config, _ := shadowtest.Start(t, func(c *builtin.Config) {
		c.CheckGrant = func(_ context.Context, obj, old runtime.Object) error {
			mu.Lock()
			defer mu.Unlock()
			writes = append(writes, write{obj, old})
			if role, ok := obj.(*rbacv1.ClusterRole); ok && len(role.Rules) > 0 {
				return apierrors.NewForbidden(rbacv1.Resource("clusterroles"), role.Name, errors.New("too much"))
			}
			return nil
		}
	})
	k := newTalker(t, config)
	const path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
	const much = `{metadata: {name: r}, rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}`
	for _, c := range []struct {
		step    step
		code    int
		checked int
	}{
		{create("harmless", path, `{metadata: {name: r}}`), http.StatusCreated, 1},
		{put("too much", path+"/r", much), http.StatusForbidden, 2},
		{put("too much, where there is none", path+"/s", strings.ReplaceAll(much, "name: r", "name: s")), http.StatusForbidden, 3},
		{merge("too much, in part", path+"/r", `{rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}`), http.StatusForbidden, 4},
		{get("harmless still", path+"/r"), http.StatusOK, 4},
		{create("a binding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `{metadata: {name: b}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}}`), http.StatusCreated, 5},
	} {
		if code, answer := k.say(t, c.step); code != c.code || len(writes) != c.checked {
			t.Fatalf("%s: %d after %d checks, want %d after %d: %v", c.step.why, code, len(writes), c.code, c.checked, answer)
		}
	}
	if writes[0].old != nil || writes[1].old == nil || writes[2].old != nil {
		t.Error("old objects are those of updates")
	}
}

// A budget of one disruption lets one of many evictions pass.
func TestEvictionsAtOnceSpendABudgetOnce(t *testing.T) {
	config, _ := shadowtest.Start(t, nil)
	k := newTalker(t, config)
	const namespace, many = "/api/v1/namespaces/site", 8
	for _, s := range []step{
		create("", "/api/v1/namespaces", `{metadata: {name: site}}`),
		create("", namespace+"/serviceaccounts", `{metadata: {name: default}}`),
		create("", budgetsPath, `{metadata: {name: b}, spec: {minAvailable: 1, selector: {matchLabels: {app: e}}}}`),
		merge("", budgetsPath+"/b/status", `{status: {observedGeneration: 1, disruptionsAllowed: 1, currentHealthy: 8, desiredHealthy: 1, expectedPods: 8}}`),
	} {
		if code, answer := k.say(t, s); code >= http.StatusBadRequest {
			t.Fatalf("%d %v", code, answer)
		}
	}
	for i := range many {
		name := fmt.Sprintf("e%d", i)
		if code, answer := k.say(t, create("", pods, pod(name, "labels: {app: e}", "nodeName: nd"))); code != http.StatusCreated {
			t.Fatalf("%d %v", code, answer)
		}
		if code, answer := k.say(t, strategic("", pods+"/"+name+"/status", `{status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`)); code != http.StatusOK {
			t.Fatalf("%d %v", code, answer)
		}
	}
	var passed, refused atomic.Int32
	var wg sync.WaitGroup
	for i := range many {
		name := fmt.Sprintf("e%d", i)
		wg.Go(func() {
			k := newTalker(t, config)
			switch code, answer := k.say(t, create("", pods+"/"+name+"/eviction", eviction(name, ""))); code {
			case http.StatusCreated:
				passed.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				t.Errorf("%d %v", code, answer)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 1 || refused.Load() != many-1 {
		t.Errorf("%d passed and %d were refused", passed.Load(), refused.Load())
	}
}
