// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	unversioned "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	minTokenSeconds       = 10 * 60
	maxTokenSeconds       = 1 << 32
	minCertificateSeconds = 60 * 60
	maxCertificateSeconds = 91 * 24 * 60 * 60
	maxDriverName         = 63
)

// The fields of a pod that files may have.
var fileFields = []string{"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}

// volumeRules are for the volumes of pods and how containers mount them.
func volumeRules() []rule {
	return []rule{
		of[corev1.Volume](f("name", required, dnsLabel)),
		unionOf[corev1.VolumeSource]("volume type"),
		also(of[corev1.VolumeMount](
			f("name", required), f("mountPath", required), f("subPath", relativePath), f("subPathExpr", relativePath),
		), volumeMount),
		of[corev1.VolumeDevice](f("name", required), f("devicePath", required, noBacksteps)),
		of[corev1.EmptyDirVolumeSource](f("sizeLimit", quantity)),
		of[corev1.HostPathVolumeSource](f("path", required, noBacksteps)),
		of[corev1.GitRepoVolumeSource](f("repository", required), f("directory", relativePath)),
		of[corev1.SecretVolumeSource](f("secretName", required), f("defaultMode", fileMode)),
		of[corev1.ConfigMapVolumeSource](f("name", required), f("defaultMode", fileMode)),
		of[corev1.KeyToPath](f("key", required), f("path", required, localPath), f("mode", fileMode)),
		of[corev1.PersistentVolumeClaimVolumeSource](f("claimName", required)),
		of[corev1.EphemeralVolumeSource](f("volumeClaimTemplate", required)),
		whole(func(t *corev1.PersistentVolumeClaimTemplate, at *field.Path, p *problems) {
			templateMeta(&t.ObjectMeta, at.Child("metadata"), p)
		}),
		of[corev1.CSIVolumeSource](f("driver", required, driverName)),
		of[corev1.DownwardAPIVolumeSource](f("defaultMode", fileMode)),
		also(of[corev1.DownwardAPIVolumeFile](f("path", required, localPath), f("mode", fileMode)), downwardFile),
		also(of[corev1.ProjectedVolumeSource](f("defaultMode", fileMode)), projectedPaths),
		whole(func(s *corev1.VolumeProjection, at *field.Path, p *problems) {
			if count(s.Secret != nil, s.DownwardAPI != nil, s.ConfigMap != nil, s.ServiceAccountToken != nil, s.ClusterTrustBundle != nil, s.PodCertificate != nil) > 1 {
				p.forbidden(at, "may not specify more than 1 volume type")
			}
		}),
		of[corev1.SecretProjection](f("name", required)),
		of[corev1.ConfigMapProjection](f("name", required)),
		of[corev1.ServiceAccountTokenProjection](f("path", required, localPath), f("expirationSeconds", between(minTokenSeconds, maxTokenSeconds))),
		also(of[corev1.ClusterTrustBundleProjection](f("path", required, localPath)), trustBundle),
		also(of[corev1.PodCertificateProjection](
			f("signerName", required, text(signerName)),
			f("maxExpirationSeconds", between(minCertificateSeconds, maxCertificateSeconds)),
			f("credentialBundlePath", localPath), f("keyPath", localPath), f("certificateChainPath", localPath),
		), podCertificate),
	}
}

// sourceRules are for the storage that pods mount directly or through persistent
// volumes. What else a source of a vendor needs, its driver finds out.
func sourceRules() []rule {
	lun, partition := between(0, 255), between(0, 255)
	iscsi := []fieldRule{f("targetPortal", required), f("iqn", required, text(iqn)), f("lun", lun), f("initiatorName", text(iqn))}
	return []rule{
		of[corev1.NFSVolumeSource](f("server", required), f("path", required, text(absolute))),
		of[corev1.ISCSIVolumeSource](iscsi...),
		of[corev1.ISCSIPersistentVolumeSource](iscsi...),
		also(of[corev1.FCVolumeSource](f("lun", lun)), func(s *corev1.FCVolumeSource, at *field.Path, p *problems) {
			switch {
			case len(s.TargetWWNs) == 0 && len(s.WWIDs) == 0:
				p.required(at.Child("targetWWNs"), "must specify either `targetWWNs` or `wwids`")
			case len(s.TargetWWNs) > 0 && len(s.WWIDs) > 0:
				p.invalid(at.Child("targetWWNs"), len(s.TargetWWNs), "may not be specified together with `wwids`")
			case len(s.TargetWWNs) > 0 && s.Lun == nil:
				p.required(at.Child("lun"), "must be specified when `targetWWNs` are")
			}
		}),
		of[corev1.GCEPersistentDiskVolumeSource](f("pdName", required), f("partition", partition)),
		of[corev1.AWSElasticBlockStoreVolumeSource](f("volumeID", required), f("partition", partition)),
		of[corev1.AzureDiskVolumeSource](f("diskName", required), f("diskURI", required)),
		of[corev1.AzureFileVolumeSource](f("secretName", required), f("shareName", required)),
		of[corev1.AzureFilePersistentVolumeSource](f("secretName", required), f("shareName", required)),
		of[corev1.CephFSVolumeSource](f("monitors", required)),
		of[corev1.CephFSPersistentVolumeSource](f("monitors", required)),
		of[corev1.CinderVolumeSource](f("volumeID", required)),
		of[corev1.CinderPersistentVolumeSource](f("volumeID", required)),
		of[corev1.FlexVolumeSource](f("driver", required)),
		of[corev1.FlexPersistentVolumeSource](f("driver", required)),
		of[corev1.GlusterfsVolumeSource](f("endpoints", required), f("path", required)),
		of[corev1.GlusterfsPersistentVolumeSource](f("endpoints", required), f("path", required)),
		of[corev1.LocalVolumeSource](f("path", required, noBacksteps)),
		of[corev1.PhotonPersistentDiskVolumeSource](f("pdID", required)),
		of[corev1.PortworxVolumeSource](f("volumeID", required)),
		of[corev1.QuobyteVolumeSource](f("registry", required), f("volume", required)),
		of[corev1.RBDVolumeSource](f("monitors", required), f("image", required)),
		of[corev1.RBDPersistentVolumeSource](f("monitors", required), f("image", required)),
		of[corev1.ScaleIOVolumeSource](f("gateway", required), f("system", required), f("volumeName", required)),
		of[corev1.ScaleIOPersistentVolumeSource](f("gateway", required), f("system", required), f("volumeName", required)),
		of[corev1.StorageOSVolumeSource](f("volumeName", required, dnsLabel)),
		of[corev1.StorageOSPersistentVolumeSource](f("volumeName", required, dnsLabel)),
		of[corev1.VsphereVirtualDiskVolumeSource](f("volumePath", required)),
		of[corev1.CSIPersistentVolumeSource](
			f("driver", required, driverName), f("volumeHandle", required),
			f("controllerPublishSecretRef", secretRef), f("controllerExpandSecretRef", secretRef),
			f("nodePublishSecretRef", secretRef), f("nodeExpandSecretRef", secretRef),
		),
	}
}

func absolute(value string) []string {
	if !strings.HasPrefix(value, "/") {
		return []string{"must be an absolute path"}
	}
	return nil
}

func iqn(value string) []string {
	for _, prefix := range []string{"iqn.", "eui.", "naa."} {
		if strings.HasPrefix(value, prefix) && !strings.ContainsAny(value, " \t\r\n/") {
			return nil
		}
	}
	return []string{"must be a name that starts with iqn., eui. or naa."}
}

// driverName checks the name of a CSI driver, part of paths on the node.
var driverName = text(func(value string) []string {
	if len(value) > maxDriverName {
		return []string{validation.MaxLenError(maxDriverName)}
	}
	return validation.IsDNS1123Subdomain(strings.ToLower(value))
})

func volumeMount(m *corev1.VolumeMount, at *field.Path, p *problems) {
	if m.SubPath != "" && m.SubPathExpr != "" {
		p.invalid(at.Child("subPathExpr"), m.SubPathExpr, "may not be specified together with `subPath`")
	}
	if m.RecursiveReadOnly == nil || *m.RecursiveReadOnly == corev1.RecursiveReadOnlyDisabled {
		return
	}
	if !m.ReadOnly {
		p.forbidden(at.Child("recursiveReadOnly"), "may only be specified when `readOnly` is true")
	}
	if m.MountPropagation != nil && *m.MountPropagation != corev1.MountPropagationNone {
		p.forbidden(at.Child("recursiveReadOnly"), "may only be specified when `mountPropagation` is 'None'")
	}
}

func downwardFile(file *corev1.DownwardAPIVolumeFile, at *field.Path, p *problems) {
	switch {
	case file.FieldRef != nil && file.ResourceFieldRef != nil:
		p.invalid(at, file.Path, "may not specify both `fieldRef` and `resourceFieldRef`")
	case file.FieldRef != nil:
		podField(file.FieldRef, fileFields, at.Child("fieldRef"), p)
	case file.ResourceFieldRef != nil:
		resourceField(file.ResourceFieldRef, true, at.Child("resourceFieldRef"), p)
	default:
		p.required(at, "must specify `fieldRef` or `resourceFieldRef`")
	}
}

// projectedPaths checks that no two sources write the same file.
func projectedPaths(v *corev1.ProjectedVolumeSource, at *field.Path, p *problems) {
	seen := sets.New[string]()
	file := func(path string) {
		if path != "" && seen.Has(path) {
			p.invalid(at, path, "must not be the path of two sources")
		}
		seen.Insert(path)
	}
	for _, source := range v.Sources {
		if s := source.Secret; s != nil {
			for _, item := range s.Items {
				file(item.Path)
			}
		}
		if s := source.ConfigMap; s != nil {
			for _, item := range s.Items {
				file(item.Path)
			}
		}
		if s := source.DownwardAPI; s != nil {
			for _, item := range s.Items {
				file(item.Path)
			}
		}
		if s := source.ClusterTrustBundle; s != nil {
			file(s.Path)
		}
		if s := source.PodCertificate; s != nil {
			file(s.CredentialBundlePath)
			file(s.KeyPath)
			file(s.CertificateChainPath)
		}
	}
}

func trustBundle(b *corev1.ClusterTrustBundleProjection, at *field.Path, p *problems) {
	switch {
	case b.Name != nil && b.SignerName != nil:
		p.invalid(at, *b.Name, "may not specify both `name` and `signerName`")
	case b.Name != nil && *b.Name == "":
		p.required(at.Child("name"), "")
	case b.Name != nil:
		// Those of a signer are named after it: signer:path:name.
		name := (*b.Name)[strings.LastIndex(*b.Name, ":")+1:]
		p.each(at.Child("name"), *b.Name, apivalidation.NameIsDNSSubdomain(name, false))
		if b.LabelSelector != nil {
			p.invalid(at.Child("labelSelector"), *b.Name, "may not be specified when `name` is")
		}
	case b.SignerName != nil:
		p.each(at.Child("signerName"), *b.SignerName, signerName(*b.SignerName))
	default:
		p.required(at, "must specify `name` or `signerName`")
	}
}

func podCertificate(c *corev1.PodCertificateProjection, at *field.Path, p *problems) {
	listed(p, at.Child("keyType"), c.KeyType, "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096")
	if c.CredentialBundlePath == "" && c.KeyPath == "" && c.CertificateChainPath == "" {
		p.required(at, "must specify at least one of: `credentialBundlePath`, `keyPath`, `certificateChainPath`")
	}
}

// signerName checks names of signers of certificates, domain/path.
func signerName(value string) []string {
	domain, path, ok := strings.Cut(value, "/")
	if !ok || strings.Contains(path, "/") || !strings.Contains(domain, ".") {
		return []string{"must be a domain with at least two segments, a slash and a name, like example.com/signer"}
	}
	return append(validation.IsDNS1123Subdomain(domain), validation.IsDNS1123Subdomain(path)...)
}

// templateMeta checks the metadata of what is made from a template: it has labels
// and annotations only.
func templateMeta(m *metav1.ObjectMeta, at *field.Path, p *problems) {
	p.add(apivalidation.ValidateAnnotations(m.Annotations, at.Child("annotations"))...)
	p.add(unversioned.ValidateLabels(m.Labels, at.Child("labels"))...)
	p.forbidEach(at, "may not be specified in templates", specified{
		{"name", m.Name != ""},
		{"generateName", m.GenerateName != ""},
		{"namespace", m.Namespace != ""},
		{"uid", m.UID != ""},
		{"resourceVersion", m.ResourceVersion != ""},
		{"deletionTimestamp", m.DeletionTimestamp != nil},
		{"finalizers", len(m.Finalizers) > 0},
		{"ownerReferences", len(m.OwnerReferences) > 0},
	})
}
