// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The limits of what drivers are told and tell.
const (
	maxParameters     = 512
	maxParametersSize = 256 << 10
	maxVolumeMessage  = 1024
	maxNodeID         = 256
)

// storageRules are for drivers of volumes.
func storageRules() []rule {
	return []rule{
		also(of[storagev1.VolumeAttachmentSpec](f("attacher", required, driverName), f("nodeName", required, subdomain)),
			func(s *storagev1.VolumeAttachmentSpec, at *field.Path, p *problems) {
				switch name, at := s.Source.PersistentVolumeName, at.Child("source"); {
				case name == nil && s.Source.InlineVolumeSpec == nil:
					p.required(at, "must specify exactly one of: `inlineVolumeSpec`, `persistentVolumeName`")
				case name != nil && s.Source.InlineVolumeSpec != nil:
					p.forbidden(at, "must specify exactly one of: `inlineVolumeSpec`, `persistentVolumeName`")
				case name != nil && *name == "":
					p.required(at.Child("persistentVolumeName"), "")
				case name != nil:
					p.each(at.Child("persistentVolumeName"), *name, validation.IsDNS1123Subdomain(*name))
				}
			}),
		of[storagev1.CSINodeSpec](f("drivers", uniqueBy("Name"))),
		of[storagev1.CSINodeDriver](
			f("name", required, driverName), f("nodeID", required, maxLength(maxNodeID)), f("topologyKeys", uniqueBy(), eachOf(labelKey)),
		),
		of[storagev1.VolumeNodeResources](f("count", nonNegative)),
		also(of[storagev1.CSIDriverSpec](
			f("podInfoOnMount", required), f("storageCapacity", required), f("seLinuxMount", required),
			f("tokenRequests", uniqueBy("Audience")), f("nodeAllocatableUpdatePeriodSeconds", atLeast(10)),
		), csiDriverSpec),
		of[storagev1.TokenRequest](f("expirationSeconds", between(minTokenSeconds, maxTokenSeconds))),
	}
}

func csiDriverSpec(s *storagev1.CSIDriverSpec, at *field.Path, p *problems) {
	if s.AttachRequired == nil {
		p.required(at.Child("attachRequired"), "")
	}
	if s.ServiceAccountTokenInSecrets != nil && len(s.TokenRequests) == 0 {
		p.invalid(at.Child("serviceAccountTokenInSecrets"), *s.ServiceAccountTokenInSecrets, "may only be specified when there are `tokenRequests`")
	}
	empty := 0
	for i, r := range s.TokenRequests {
		if r.Audience == "" {
			if empty++; empty > 1 {
				p.duplicate(at.Child("tokenRequests").Index(i).Child("audience"), "")
			}
		}
	}
}

func updateCSIDriver(d, old *storagev1.CSIDriver, p *problems) {
	unchanged(p, spec.Child("attachRequired"), d.Spec.AttachRequired, old.Spec.AttachRequired)
	unchanged(p, spec.Child("volumeLifecycleModes"), d.Spec.VolumeLifecycleModes, old.Spec.VolumeLifecycleModes)
}

// updateCSINode lets drivers come and go, but not change, but for how many volumes
// they can attach.
func updateCSINode(n, old *storagev1.CSINode, p *problems) {
	before := make(map[string]storagev1.CSINodeDriver, len(old.Spec.Drivers))
	for _, d := range old.Spec.Drivers {
		before[d.Name] = d
	}
	for _, d := range n.Spec.Drivers {
		b, ok := before[d.Name]
		d.Allocatable, b.Allocatable = nil, nil
		if ok && !apiequality.Semantic.DeepEqual(d, b) {
			p.invalid(spec.Child("drivers"), d.Name, "field is immutable")
		}
	}
}

// provisioner checks the name of what makes volumes, and what it is told.
func provisioner(name string, at *field.Path, parameters map[string]string, p *problems) {
	if name == "" {
		p.required(at, "")
	} else {
		p.each(at, name, validation.IsQualifiedName(strings.ToLower(name)))
	}
	at, size := field.NewPath("parameters"), 0
	for key, value := range parameters {
		if key == "" {
			p.invalid(at, key, "must not have an empty key")
		}
		size += len(key) + len(value)
	}
	if len(parameters) > maxParameters {
		p.add(field.TooLong(at, "", maxParameters))
	}
	if size > maxParametersSize {
		p.add(field.TooLong(at, "", maxParametersSize))
	}
}

func storageClass(c *storagev1.StorageClass, p *problems) {
	provisioner(c.Provisioner, field.NewPath("provisioner"), c.Parameters, p)
	if c.ReclaimPolicy != nil && *c.ReclaimPolicy != "" {
		listed(p, field.NewPath("reclaimPolicy"), *c.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain)
	}
	if c.VolumeBindingMode == nil {
		p.required(field.NewPath("volumeBindingMode"), "")
	}
}

func updateStorageClass(c, old *storagev1.StorageClass, p *problems) {
	unchanged(p, field.NewPath("provisioner"), c.Provisioner, old.Provisioner)
	unchanged(p, field.NewPath("parameters"), c.Parameters, old.Parameters)
	unchanged(p, field.NewPath("reclaimPolicy"), c.ReclaimPolicy, old.ReclaimPolicy)
	unchanged(p, field.NewPath("volumeBindingMode"), c.VolumeBindingMode, old.VolumeBindingMode)
}

func volumeAttributesClass(c *storagev1.VolumeAttributesClass, p *problems) {
	provisioner(c.DriverName, field.NewPath("driverName"), c.Parameters, p)
	if len(c.Parameters) == 0 {
		p.required(field.NewPath("parameters"), "")
	}
}

func updateVolumeAttributesClass(c, old *storagev1.VolumeAttributesClass, p *problems) {
	p.forbidEach(nil, "field is immutable", specified{
		{"driverName", c.DriverName != old.DriverName},
		{"parameters", !apiequality.Semantic.DeepEqual(c.Parameters, old.Parameters)},
	})
}

func updateVolumeAttachment(a, old *storagev1.VolumeAttachment, p *problems) {
	if !apiequality.Semantic.DeepEqual(&a.Spec, &old.Spec) {
		p.invalid(spec, "", "field is immutable"+differing(&a.Spec, &old.Spec))
	}
}

func volumeAttachmentStatus(a, _ *storagev1.VolumeAttachment, p *problems) {
	size := 0
	for key, value := range a.Status.AttachmentMetadata {
		size += len(key) + len(value)
	}
	if size > maxParametersSize {
		p.add(field.TooLong(status.Child("attachmentMetadata"), "", maxParametersSize))
	}
	for name, e := range map[string]*storagev1.VolumeError{"attachError": a.Status.AttachError, "detachError": a.Status.DetachError} {
		if e != nil && len(e.Message) > maxVolumeMessage {
			p.add(field.TooLong(status.Child(name, "message"), "", maxVolumeMessage))
		}
	}
}

func storageCapacity(c *storagev1.CSIStorageCapacity, p *problems) {
	p.each(field.NewPath("storageClassName"), c.StorageClassName, validation.IsDNS1123Subdomain(c.StorageClassName))
	if c.Capacity != nil {
		nonNegativeQuantity(*c.Capacity, field.NewPath("capacity"), p)
	}
}

func updateStorageCapacity(c, old *storagev1.CSIStorageCapacity, p *problems) {
	unchanged(p, field.NewPath("nodeTopology"), c.NodeTopology, old.NodeTopology)
	unchanged(p, field.NewPath("storageClassName"), c.StorageClassName, old.StorageClassName)
}
