// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/api/validate/content"
	unversioned "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/steppe-io/steppe/pkg/shadow/validation/declared"
)

// semanticVersion is that of semver.org, version 2.
var semanticVersion = regexp.MustCompile(`^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

// A function that validation-gen has made.
type generated[T any] func(context.Context, operation.Operation, *field.Path, T, T) field.ErrorList

// declaredNew checks a new object by what its tags declare.
func declaredNew[T any](check generated[T], obj T, p *problems) {
	declaredPart(check, nil, obj, p)
}

// declaredPart checks a part of a new object.
func declaredPart[T any](check generated[T], at *field.Path, obj T, p *problems) {
	var none T
	// The context is for what generated code might do some day; it calls nothing.
	p.add(check(context.Background(), operation.Operation{Type: operation.Create}, at, obj, none)...)
}

// declaredChange checks what has changed.
func declaredChange[T any](check generated[T], obj, old T, p *problems, subresources ...string) {
	op := operation.Operation{Type: operation.Update, Request: operation.Request{Subresources: subresources}}
	p.add(check(context.Background(), op, nil, obj, old)...)
}

// resourceRules are for devices that pods claim, beyond what is declared. That
// expressions which select devices compile is left to those who evaluate them.
func resourceRules() []rule {
	return []rule{
		also(of[resourcev1.DeviceRequest](f("name", required, dnsLabel)), func(r *resourcev1.DeviceRequest, at *field.Path, p *problems) {
			if r.Exactly == nil && len(r.FirstAvailable) == 0 {
				p.required(at, "must specify exactly one of: `exactly`, `firstAvailable`")
			}
		}),
		also(of[resourcev1.ExactDeviceRequest](f("deviceClassName", required, subdomain)), func(r *resourcev1.ExactDeviceRequest, at *field.Path, p *problems) {
			deviceCount(r.AllocationMode, r.Count, at.Child("count"), p)
		}),
		also(of[resourcev1.DeviceSubRequest](f("name", required, dnsLabel)), func(r *resourcev1.DeviceSubRequest, at *field.Path, p *problems) {
			deviceCount(r.AllocationMode, r.Count, at.Child("count"), p)
		}),
		of[resourcev1.DeviceSelector](f("cel", required)),
		of[resourcev1.CELDeviceSelector](f("expression", required, maxLength(resourcev1.CELSelectorExpressionMaxLength))),
		whole(func(c *resourcev1.DeviceConstraint, at *field.Path, p *problems) {
			if (c.MatchAttribute == nil) == (c.DistinctAttribute == nil) {
				p.required(at, "must specify exactly one of: `matchAttribute`, `distinctAttribute`")
			}
		}),
		of[resourcev1.DeviceConfiguration](f("opaque", required)),
		whole(func(c *resourcev1.OpaqueDeviceConfiguration, at *field.Path, p *problems) {
			jsonObject(c.Parameters, resourcev1.OpaqueParametersMaxLength, at.Child("parameters"), p)
		}),
		whole(func(t *resourcev1.DeviceToleration, at *field.Path, p *problems) {
			if t.Operator == resourcev1.DeviceTolerationOpExists && t.Value != "" {
				p.invalid(at.Child("value"), t.Value, "must be empty when `operator` is 'Exists'")
			}
			p.each(at.Child("value"), t.Value, validation.IsValidLabelValue(t.Value))
		}),
		also(of[resourcev1.DeviceTaint](f("key", labelKey)), func(t *resourcev1.DeviceTaint, at *field.Path, p *problems) {
			p.each(at.Child("value"), t.Value, validation.IsValidLabelValue(t.Value))
		}),
		whole(deviceClaim),
		also(of[resourcev1.ResourceSliceSpec](f("driver", required, driverName), f("devices", uniqueBy("Name"))), resourceSliceSpec),
		of[resourcev1.ResourcePool](f("name", required, text(poolName)), f("resourceSliceCount", positive), f("generation", nonNegative)),
		also(of[resourcev1.Device](f("name", required, dnsLabel), f("nodeName", subdomain)), device),
		of[resourcev1.CounterSet](f("counters", required)),
		of[resourcev1.DeviceCounterConsumption](f("counters", required)),
	}
}

func deviceCount(mode resourcev1.DeviceAllocationMode, n int64, at *field.Path, p *problems) {
	switch {
	case mode == resourcev1.DeviceAllocationModeAll && n != 0:
		p.invalid(at, n, "may not be specified when `allocationMode` is 'All'")
	case mode == resourcev1.DeviceAllocationModeExactCount && n <= 0:
		p.invalid(at, n, "must be greater than 0")
	}
}

// jsonObject checks parameters that a driver reads.
func jsonObject(raw runtime.RawExtension, limit int, at *field.Path, p *problems) {
	var value any
	switch {
	case len(raw.Raw) == 0:
		p.required(at, "")
	case len(raw.Raw) > limit:
		p.add(field.TooLong(at, "", limit))
	case json.Unmarshal(raw.Raw, &value) != nil:
		p.invalid(at, "<value omitted>", "must be JSON")
	case value == nil:
		p.required(at, "")
	default:
		if _, ok := value.(map[string]any); !ok {
			p.invalid(at, "<value omitted>", "must be a JSON object")
		}
	}
}

// poolName checks names of pools: subdomains with slashes between them.
func poolName(name string) []string {
	if len(name) > resourcev1.PoolNameMaxLength {
		return []string{validation.MaxLenError(resourcev1.PoolNameMaxLength)}
	}
	var wrong []string
	for part := range strings.SplitSeq(name, "/") {
		wrong = append(wrong, validation.IsDNS1123Subdomain(part)...)
	}
	return wrong
}

// deviceClaim checks that constraints and configurations are for requests that
// there are.
func deviceClaim(c *resourcev1.DeviceClaim, at *field.Path, p *problems) {
	names := sets.New[string]()
	for _, r := range c.Requests {
		names.Insert(r.Name)
		for _, sub := range r.FirstAvailable {
			names.Insert(r.Name + "/" + sub.Name)
		}
	}
	refer := func(list []string, at *field.Path) {
		for i, name := range list {
			if !names.Has(name) {
				p.invalid(at.Child("requests").Index(i), name, "must be the name of a request, or of one and a subrequest with a slash between them")
			}
		}
	}
	for i, constraint := range c.Constraints {
		refer(constraint.Requests, at.Child("constraints").Index(i))
	}
	for i, config := range c.Config {
		refer(config.Requests, at.Child("config").Index(i))
	}
}

// resourceSliceSpec checks where devices are, and that they are not too many.
func resourceSliceSpec(s *resourcev1.ResourceSliceSpec, at *field.Path, p *problems) {
	is := func(b *bool) bool { return b != nil && *b }
	for _, f := range []struct {
		name string
		set  *bool
	}{{"allNodes", s.AllNodes}, {"perDeviceNodeSelection", s.PerDeviceNodeSelection}} {
		if f.set != nil && !*f.set {
			p.invalid(at.Child(f.name), false, "must be true or not specified")
		}
	}
	if s.NodeName != nil {
		p.each(at.Child("nodeName"), *s.NodeName, validation.IsDNS1123Subdomain(*s.NodeName))
	}
	switch count(s.NodeName != nil, s.NodeSelector != nil, is(s.AllNodes), is(s.PerDeviceNodeSelection)) {
	case 0:
		p.required(at, "must specify exactly one of: `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection`")
	case 1:
	default:
		p.invalid(at, "", "must specify exactly one of: `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection`")
	}
	if s.NodeSelector != nil && len(s.NodeSelector.NodeSelectorTerms) > 1 {
		p.invalid(at.Child("nodeSelector", "nodeSelectorTerms"), len(s.NodeSelector.NodeSelectorTerms), "must have exactly one term")
	}
	if s.SharedCounters != nil && s.Devices != nil {
		p.invalid(at, "", "may not specify both `sharedCounters` and `devices`")
	}
	limit := resourcev1.ResourceSliceMaxDevices
	if slices.ContainsFunc(s.Devices, func(d resourcev1.Device) bool { return len(d.Taints)+len(d.ConsumesCounters) > 0 }) {
		limit = resourcev1.ResourceSliceMaxDevicesWithAdvancedFeatures
	}
	maxList(len(s.Devices), limit, at.Child("devices"), p)
	for i, d := range s.Devices {
		chosen := count(d.NodeName != nil, d.NodeSelector != nil, is(d.AllNodes))
		if p.full() {
			return
		}
		switch at := at.Child("devices").Index(i); {
		case is(s.PerDeviceNodeSelection) && chosen == 0:
			p.required(at, "must specify exactly one of: `nodeName`, `nodeSelector`, `allNodes`")
		case is(s.PerDeviceNodeSelection) && chosen > 1:
			p.invalid(at, "", "must specify exactly one of: `nodeName`, `nodeSelector`, `allNodes`")
		case !is(s.PerDeviceNodeSelection) && (chosen > 0 || d.AllNodes != nil):
			p.invalid(at, "", "may only be on other nodes when `perDeviceNodeSelection` is true")
		}
	}
}

func device(d *resourcev1.Device, at *field.Path, p *problems) {
	if n := len(d.Attributes) + len(d.Capacity); n > resourcev1.ResourceSliceMaxAttributesAndCapacitiesPerDevice {
		p.invalid(at, n, "may not have more than 32 attributes and capacities in all")
		return
	}
	for key, attribute := range d.Attributes {
		at := at.Child("attributes").Key(string(key))
		deviceKey(string(key), at, p)
		if s := attribute.StringValue; s != nil && len(*s) > resourcev1.DeviceAttributeMaxValueLength {
			p.add(field.TooLong(at.Child("string"), "", resourcev1.DeviceAttributeMaxValueLength))
		}
		if v := attribute.VersionValue; v != nil {
			if len(*v) > resourcev1.DeviceAttributeMaxValueLength {
				p.add(field.TooLong(at.Child("version"), "", resourcev1.DeviceAttributeMaxValueLength))
			} else if !semanticVersion.MatchString(*v) {
				p.invalid(at.Child("version"), *v, "must be a semantic version, like 1.2.3")
			}
		}
	}
	for key := range d.Capacity {
		deviceKey(string(key), at.Child("capacity").Key(string(key)), p)
	}
	maxList(len(d.Taints), resourcev1.DeviceTaintsMaxLength, at.Child("taints"), p)
	for _, list := range []struct {
		name string
		of   []string
	}{{"bindingConditions", d.BindingConditions}, {"bindingFailureConditions", d.BindingFailureConditions}} {
		for i, condition := range list.of {
			p.add(unversioned.ValidateLabelName(condition, at.Child(list.name).Index(i))...)
		}
	}
	if (len(d.BindingConditions) == 0) != (len(d.BindingFailureConditions) == 0) {
		p.invalid(at.Child("bindingConditions"), d.BindingConditions, "must be specified together with `bindingFailureConditions`")
	}
}

// deviceKey checks names of attributes: C identifiers, with or without a domain.
func deviceKey(key string, at *field.Path, p *problems) {
	domain, name, ok := strings.Cut(key, "/")
	if !ok {
		name = key
	} else if len(domain) > maxDriverName || len(validation.IsDNS1123Subdomain(strings.ToLower(domain))) > 0 {
		p.invalid(at, key, "must have a domain of at most 63 characters before the slash")
	}
	if len(name) > resourcev1.DeviceMaxIDLength || len(content.IsCIdentifier(name)) > 0 {
		p.invalid(at, key, "must be a C identifier of at most 32 characters")
	}
}

func createClaim(c *resourcev1.ResourceClaim, p *problems) {
	// A new claim has no status: its maker's is dropped.
	declaredPart(declared.Validate_ResourceClaimSpec, spec, &c.Spec, p)
}

func updateResourceClaim(c, old *resourcev1.ResourceClaim, p *problems) {
	if !apiequality.Semantic.DeepEqual(&c.Spec, &old.Spec) {
		p.invalid(spec, "", "field is immutable"+differing(&c.Spec, &old.Spec))
	}
}

// resourceClaimStatus checks that a claim is used as allocated.
func resourceClaimStatus(c, old *resourcev1.ResourceClaim, p *problems) {
	now := &c.Status
	allocated := sets.New[string]()
	if now.Allocation == nil && len(now.ReservedFor) > 0 {
		p.forbidden(status.Child("reservedFor"), "may not be specified when `allocation` is not")
	}
	if now.Allocation != nil {
		names := sets.New[string]()
		for _, r := range c.Spec.Devices.Requests {
			names.Insert(r.Name)
			for _, sub := range r.FirstAvailable {
				names.Insert(r.Name + "/" + sub.Name)
			}
		}
		for i, r := range now.Allocation.Devices.Results {
			at := status.Child("allocation", "devices", "results").Index(i)
			if !names.Has(r.Request) {
				p.invalid(at.Child("request"), r.Request, "must be the name of a request of the claim")
			}
			p.each(at.Child("device"), r.Device, validation.IsDNS1123Label(r.Device))
			share := ""
			if r.ShareID != nil {
				share = string(*r.ShareID)
			}
			allocated.Insert(strings.Join([]string{r.Driver, r.Pool, r.Device, share}, "\x00"))
		}
	}
	for i, user := range now.ReservedFor {
		at := status.Child("reservedFor").Index(i)
		if user.Resource == "" {
			p.required(at.Child("resource"), "")
		}
		if user.Name == "" {
			p.required(at.Child("name"), "")
		}
		if user.UID == "" {
			p.required(at.Child("uid"), "")
		}
	}
	if c.DeletionTimestamp != nil && len(sets.New(now.ReservedFor...).Difference(sets.New(old.Status.ReservedFor...))) > 0 {
		p.forbidden(status.Child("reservedFor"), "may not grow when the claim is being deleted")
	}
	for i, d := range now.Devices {
		at, share := status.Child("devices").Index(i), ""
		if d.ShareID != nil {
			share = *d.ShareID
		}
		if !allocated.Has(strings.Join([]string{d.Driver, d.Pool, d.Device, share}, "\x00")) {
			p.invalid(at, d.Device, "must be a device that is allocated to the claim")
		}
		maxList(len(d.Conditions), resourcev1.AllocatedDeviceStatusMaxConditions, at.Child("conditions"), p)
		if p.full() {
			return
		}
		p.add(unversioned.ValidateConditions(d.Conditions, at.Child("conditions"))...)
		if d.Data != nil && len(d.Data.Raw) > 0 {
			jsonObject(*d.Data, resourcev1.AllocatedDeviceStatusDataMaxLength, at.Child("data"), p)
		}
	}
	// What is declared compares all devices with each other: they must be few.
	if len(p.list) == 0 {
		declaredChange(declared.Validate_ResourceClaim, c, old, p, "status")
	}
}

func createClaimTemplate(t *resourcev1.ResourceClaimTemplate, p *problems) {
	templateMeta(&t.Spec.ObjectMeta, spec.Child("metadata"), p)
	declaredNew(declared.Validate_ResourceClaimTemplate, t, p)
}

func updateClaimTemplate(t, old *resourcev1.ResourceClaimTemplate, p *problems) {
	if !apiequality.Semantic.DeepEqual(&t.Spec, &old.Spec) {
		p.invalid(spec, "", "field is immutable")
	}
}

func deviceClass(c *resourcev1.DeviceClass, p *problems) {
	if name := c.Spec.ExtendedResourceName; name != nil && *name == "" {
		p.required(spec.Child("extendedResourceName"), "")
	}
}

func createDeviceClass(c *resourcev1.DeviceClass, p *problems) {
	declaredNew(declared.Validate_DeviceClass, c, p)
}

func updateDeviceClass(c, old *resourcev1.DeviceClass, p *problems) {
	declaredChange(declared.Validate_DeviceClass, c, old, p)
}

// fewDevices tells whether a slice is small enough for what is declared, which
// compares counters with each other.
func fewDevices(s *resourcev1.ResourceSlice) bool {
	return len(s.Spec.Devices) <= resourcev1.ResourceSliceMaxDevices
}

func createSlice(s *resourcev1.ResourceSlice, p *problems) {
	if fewDevices(s) {
		declaredNew(declared.Validate_ResourceSlice, s, p)
	}
}

func updateSlice(s, old *resourcev1.ResourceSlice, p *problems) {
	unchanged(p, spec.Child("pool", "name"), s.Spec.Pool.Name, old.Spec.Pool.Name)
	unchanged(p, spec.Child("driver"), s.Spec.Driver, old.Spec.Driver)
	unchanged(p, spec.Child("nodeName"), s.Spec.NodeName, old.Spec.NodeName)
	if fewDevices(s) {
		declaredChange(declared.Validate_ResourceSlice, s, old, p)
	}
}
