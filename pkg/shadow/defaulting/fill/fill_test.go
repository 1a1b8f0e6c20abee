// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package fill

import "testing"

func TestZeroLeavesWhatIsSet(t *testing.T) {
	unset, set := "", "x"
	Zero(&unset, "y")
	Zero(&set, "y")
	if unset != "y" || set != "x" {
		t.Errorf("the fields are %q and %q", unset, set)
	}
}

func TestNilLeavesWhatIsSet(t *testing.T) {
	zero := 0
	unset, set := (*int)(nil), &zero
	Nil(&unset, 5)
	Nil(&set, 5)
	if *unset != 5 || *set != 0 {
		t.Errorf("the fields are %d and %d", *unset, *set)
	}
}

// All that a server reads is defaulted, and mostly has nothing to set.
func TestNilAllocatesNothingForWhatIsSet(t *testing.T) {
	value := [8]int{}
	set := &value
	if n := testing.AllocsPerRun(100, func() { Nil(&set, [8]int{}) }); n > 0 {
		t.Errorf("it allocates %v times", n)
	}
}
