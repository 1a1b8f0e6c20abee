// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestOneOfTwoWritersGetsAConflict has two clients write the same version of an
// object at the same time, often.
func TestOneOfTwoWritersGetsAConflict(t *testing.T) {
	ctx := t.Context()
	configMaps := admin.CoreV1().ConfigMaps(newNamespace(t))
	object, err := configMaps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "contended"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 50 {
		var conflicts, done atomic.Int32
		var writers sync.WaitGroup
		for writer := range 2 {
			writers.Go(func() {
				mine := object.DeepCopy()
				mine.Data = map[string]string{"winner": fmt.Sprint(round, " ", writer)}
				_, err := configMaps.Update(ctx, mine, metav1.UpdateOptions{})
				switch {
				case err == nil:
					done.Add(1)
				case apierrors.IsConflict(err):
					conflicts.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		writers.Wait()
		if conflicts.Load() != 1 || done.Load() != 1 {
			t.Fatalf("round %d: %d writers won and %d got a conflict", round, done.Load(), conflicts.Load())
		}
		if object, err = configMaps.Get(ctx, "contended", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}
