// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"
)

func TestPersistentVolumesLikeKubeAPIServer(t *testing.T) {
	source := func(text string) []edit {
		return []edit{set("spec.csi", nil), set("spec", js("{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], "+text+"}"))}
	}
	kindCase{
		good: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], csi: {driver: a.b, volumeHandle: a}}
`,
		variants: []change{
			{"host path", source("hostPath: {path: /data}")},
			{"local", source("local: {path: /data}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}")},
			{"nfs", source("nfs: {server: a, path: /b}")},
		},
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "A")),
			bad("no size", "spec.capacity", set("spec.capacity", nil)),
			bad("negative size", "spec.capacity[storage]", set("spec.capacity.storage", "-1")),
			bad("no modes", "spec.accessModes", set("spec.accessModes", nil)),
			bad("mode", "spec.accessModes[0]", set("spec.accessModes", js("[Sometimes]"))).as("spec.accessModes"),
			bad("one pod and others", "spec.accessModes", set("spec.accessModes", js("[ReadWriteOnce, ReadWriteOncePod]"))),
			bad("no source", "spec", set("spec.csi", nil)),
			bad("two sources", "spec.csi", set("spec.hostPath", js("{path: /a, type: ''}"))),
			bad("driver", "spec.csi.driver", set("spec.csi.driver", "../a")),
			bad("handle", "spec.csi.volumeHandle", set("spec.csi.volumeHandle", "")),
			bad("secret of no namespace", "spec.csi.nodePublishSecretRef.namespace", set("spec.csi.nodePublishSecretRef", js("{name: a}"))),
			bad("reclaim", "spec.persistentVolumeReclaimPolicy", set("spec.persistentVolumeReclaimPolicy", "Magic")),
			bad("mode of the volume", "spec.volumeMode", set("spec.volumeMode", "Magic")),
			bad("class", "spec.storageClassName", set("spec.storageClassName", "A")),
			{"host path with dots", "spec.hostPath.path", "spec.hostPath.path", source("hostPath: {path: /a/../etc, type: ''}")},
			{"all of the host recycled", "spec.persistentVolumeReclaimPolicy", "spec.persistentVolumeReclaimPolicy", source("hostPath: {path: /, type: ''}, persistentVolumeReclaimPolicy: Recycle")},
			{"local anywhere", "spec.nodeAffinity", "spec.nodeAffinity", source("local: {path: /data}")},
			{"local with dots", "spec.local.path", "spec.local.path", source("local: {path: /../data}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}")},
			{"iscsi", "spec.iscsi.lun", "spec.iscsi.lun", source("iscsi: {targetPortal: a, iqn: iqn.2001-04.com.example:a, lun: 300, iscsiInterface: default}")},
		},
		updates: []change{ok("larger", set("spec.capacity.storage", "2Gi")), ok("kept", set("spec.persistentVolumeReclaimPolicy", "Delete"))},
		badUpdates: []refusal{
			bad("another handle", "spec.persistentvolumesource", set("spec.csi.volumeHandle", "b")),
			bad("another mode", "spec.volumeMode", set("spec.volumeMode", "Block")).as("volumeMode"),
		},
	}.run(t)
}

func TestClaimsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim, namespace: default}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: a}
`,
		variants: []change{ok("from a snapshot", set("spec.dataSource", js("{apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: a}")))},
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "A")),
			bad("no modes", "spec.accessModes", set("spec.accessModes", nil)),
			bad("no size", "spec.resources[storage]", set("spec.resources", nil)),
			bad("no size at all", "spec.resources[storage]", set("spec.resources.requests.storage", "0")),
			bad("class", "spec.storageClassName", set("spec.storageClassName", "A")),
			bad("selector", "spec.selector.matchLabels", set("spec.selector", js("{matchLabels: {a: 'b c'}}"))),
			bad("mode of the volume", "spec.volumeMode", set("spec.volumeMode", "Magic")),
			bad("from nothing", "spec.dataSourceRef.name", set("spec.dataSourceRef", js("{apiGroup: a.b, kind: A, name: ''}"))),
			bad("from a kind of ours", "spec.dataSourceRef", set("spec.dataSourceRef", js("{kind: Pod, name: a}"))),
			bad("from two", "spec.dataSource", set("spec.dataSource", js("{apiGroup: a.b, kind: A, name: a}")), set("spec.dataSourceRef", js("{apiGroup: a.b, kind: A, name: b}"))).as("spec"),
		},
		updates: []change{ok("bound", set("spec.volumeName", "a")), ok("a label", set("metadata.labels", js("{a: b}")))},
		badUpdates: []refusal{
			bad("another size", "spec", set("spec.resources.requests.storage", "2Gi")),
			bad("another class", "spec", set("spec.storageClassName", "b")),
			bad("another mode", "spec", set("spec.accessModes", js("[ReadOnlyMany]"))),
		},
		badStatuses: []refusal{bad("negative", "status.capacity[storage]", set("status.capacity", js("{storage: -1}")))},
	}.run(t)
}

func TestStorageClassesLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: class}, provisioner: a.b/c, parameters: {a: b}}",
		bad: []refusal{
			bad("provisioner", "provisioner", set("provisioner", "a b")),
			bad("no provisioner", "provisioner", set("provisioner", "")),
			bad("reclaim", "reclaimPolicy", set("reclaimPolicy", "Recycle")),
			bad("binding", "volumeBindingMode", set("volumeBindingMode", "Magic")),
			bad("parameters", "parameters", set("parameters.a", strings.Repeat("a", 256<<10))),
			bad("topology of nothing", "allowedTopologies[0].matchLabelExpressions[0].values", set("allowedTopologies", js("[{matchLabelExpressions: [{key: a, values: []}]}]"))),
		},
		badUpdates: []refusal{
			bad("another provisioner", "provisioner", set("provisioner", "a.b/d")),
			bad("other parameters", "parameters", set("parameters.a", "c")),
			bad("another reclaim policy", "reclaimPolicy", set("reclaimPolicy", "Retain")),
			bad("another binding", "volumeBindingMode", set("volumeBindingMode", "WaitForFirstConsumer")),
		},
	}.run(t)
	kindCase{
		good:       "{apiVersion: storage.k8s.io/v1, kind: VolumeAttributesClass, metadata: {name: attributes}, driverName: a.b, parameters: {a: b}}",
		bad:        []refusal{bad("no parameters", "parameters", set("parameters", nil)), bad("driver", "driverName", set("driverName", "a b"))},
		badUpdates: []refusal{bad("other parameters", "parameters", set("parameters.a", "c")), bad("another driver", "driverName", set("driverName", "b.c"))},
	}.run(t)
}

func TestCSIObjectsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: a.b}, spec: {tokenRequests: [{audience: a}]}}",
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "a_b")),
			bad("audience twice", "spec.tokenRequests[1].audience", set("spec.tokenRequests.1", js("{audience: a}"))),
			bad("token for a minute", "spec.tokenRequests[0].expirationSeconds", set("spec.tokenRequests.0.expirationSeconds", 60)),
			bad("policy", "spec.fsGroupPolicy", set("spec.fsGroupPolicy", "Magic")),
			bad("mode", "spec.volumeLifecycleModes[0]", set("spec.volumeLifecycleModes", js("[Magic]"))).as("spec.volumeLifecycleModes"),
		},
		badUpdates: []refusal{bad("attached or not", "spec.attachRequired", set("spec.attachRequired", false)).as("spec.attachedRequired")},
	}.run(t)
	kindCase{
		good: "{apiVersion: storage.k8s.io/v1, kind: CSINode, metadata: {name: node}, spec: {drivers: [{name: a.b, nodeID: a, topologyKeys: [a/b], allocatable: {count: 1}}]}}",
		bad: []refusal{
			bad("driver", "spec.drivers[0].name", set("spec.drivers.0.name", "a b")),
			bad("driver twice", "spec.drivers[1].name", set("spec.drivers.1", js("{name: a.b, nodeID: b, topologyKeys: []}"))),
			bad("no node", "spec.drivers[0].nodeID", set("spec.drivers.0.nodeID", "")),
			bad("long node", "spec.drivers[0].nodeID", set("spec.drivers.0.nodeID", strings.Repeat("a", 257))),
			bad("topology", "spec.drivers[0].topologyKeys[0]", set("spec.drivers.0.topologyKeys", js("['a b']"))).as("spec.drivers[0]"),
			bad("count", "spec.drivers[0].allocatable.count", set("spec.drivers.0.allocatable.count", -1)),
		},
		updates:    []change{ok("no drivers", set("spec.drivers", js("[]"))), ok("another count", set("spec.drivers.0.allocatable.count", 2))},
		badUpdates: []refusal{bad("another node", "spec.drivers", set("spec.drivers.0.nodeID", "b"))},
	}.run(t)
	kindCase{
		good: "{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {name: attachment}, spec: {attacher: a.b, nodeName: a, source: {persistentVolumeName: a}}}",
		bad: []refusal{
			bad("attacher", "spec.attacher", set("spec.attacher", "a b")),
			bad("node", "spec.nodeName", set("spec.nodeName", "a/b")),
			bad("of nothing", "spec.source", set("spec.source", js("{}"))),
		},
		badUpdates:  []refusal{bad("another node", "spec", set("spec.nodeName", "b"))},
		badStatuses: []refusal{bad("long message", "status.attachError.message", set("status", js("{attached: false, attachError: {message: "+strings.Repeat("a", 1025)+"}}")))},
	}.run(t)
	kindCase{
		good:       "{apiVersion: storage.k8s.io/v1, kind: CSIStorageCapacity, metadata: {name: capacity, namespace: default}, storageClassName: a, capacity: 1Gi}",
		bad:        []refusal{bad("class", "storageClassName", set("storageClassName", "A")), bad("negative", "capacity", set("capacity", "-1"))},
		updates:    []change{ok("less", set("capacity", "1Mi"))},
		badUpdates: []refusal{bad("another class", "storageClassName", set("storageClassName", "b"))},
	}.run(t)
}
