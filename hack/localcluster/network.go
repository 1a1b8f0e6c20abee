// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	netnsDir = "/run/netns"
	// bridge is the name of the switch in the WAN namespace, and hostPort of
	// the host's port on it. A machine's port has the machine's name.
	bridge   = "wan"
	hostPort = "host"
)

// ensureWAN makes the cluster's switch and the host's link to it. The bridge
// has a namespace of its own, so that the host's firewall has no say in what
// the machines send each other.
func (c *Cluster) ensureWAN(ctx context.Context) error {
	ns, dev := c.wanNamespace(), c.hostDevice()
	if err := ensureNamespace(ctx, ns); err != nil {
		return err
	}
	if !deviceExists(ctx, ns, bridge) {
		if err := runAll(ctx, "ip -n "+ns+" link add "+bridge+" type bridge"); err != nil {
			return err
		}
	}
	if !deviceExists(ctx, ns, hostPort) {
		if err := runAll(ctx, "ip link add "+dev+" type veth peer name "+hostPort+" netns "+ns); err != nil {
			return err
		}
	}
	// Where no route leads the bridge answers "unreachable", so that a machine
	// does not wait for what is not there.
	if err := enableForwarding(ns); err != nil {
		return err
	}
	return runAll(ctx,
		"ip -n "+ns+" address replace "+c.bridgeIP()+"/24 dev "+bridge,
		"ip -n "+ns+" link set "+bridge+" up",
		"ip -n "+ns+" link set "+hostPort+" master "+bridge+" up",
		"ip address replace "+c.hostIP()+"/24 dev "+dev,
		"ip link set "+dev+" up",
	)
}

// ensureMachineNetwork makes a machine's namespace and its port on the switch,
// and sets its routes. A cut link stays cut.
func (c *Cluster) ensureMachineNetwork(ctx context.Context, m *Machine) error {
	wan, ns := c.wanNamespace(), m.namespace()
	if err := ensureNamespace(ctx, ns); err != nil {
		return err
	}
	if !deviceExists(ctx, ns, "eth0") {
		err := runAll(ctx,
			"ip -n "+wan+" link add "+m.Name+" type veth peer name eth0 netns "+ns,
			"ip -n "+wan+" link set "+m.Name+" up",
		)
		if err != nil {
			return err
		}
	}
	lines := []string{
		"ip -n " + wan + " link set " + m.Name + " master " + bridge,
		"ip -n " + ns + " address replace " + m.IP() + "/24 dev eth0",
		"ip -n " + ns + " link set eth0 up",
		"ip -n " + ns + " route replace default via " + c.bridgeIP(),
	}
	for n := range c.Nodes + 1 {
		if n != m.number {
			lines = append(lines, "ip -n "+ns+" route replace "+machinePodCIDR(n)+" via "+c.machineIP(n))
		}
	}
	return runAll(ctx, lines...)
}

// Direction of packets on a machine's link.
type Direction string

// The directions that BlackHole takes.
const (
	Both        Direction = "both"
	FromMachine Direction = "from" // what the machine sends is lost
	ToMachine   Direction = "to"   // what is sent to the machine is lost
)

// Cut takes the machine's link down, as if the cable was pulled. Pods on it go
// on.
func (m *Machine) Cut(ctx context.Context) error {
	return runAll(ctx, "ip -n "+m.cluster.wanNamespace()+" link set "+m.Name+" down")
}

// BlackHole makes the machine's link lose every packet in the direction, with
// the link up and nobody told: connections hang instead of being refused.
func (m *Machine) BlackHole(ctx context.Context, d Direction) error {
	rules := map[Direction]string{
		FromMachine: "add rule bridge %[1]s lost_from iifname %[2]s drop\n",
		ToMachine:   "add rule bridge %[1]s lost_to oifname %[2]s drop\n",
	}
	rules[Both] = rules[FromMachine] + rules[ToMachine]
	rule, ok := rules[d]
	if !ok {
		return fmt.Errorf("direction must be both, from or to, not %q", d)
	}
	table := m.lossTable()
	// One transaction: the table is made afresh, so this replaces an earlier
	// black hole.
	script := fmt.Sprintf("add table bridge %[1]s\ndelete table bridge %[1]s\nadd table bridge %[1]s\n"+
		"add chain bridge %[1]s lost_from { type filter hook prerouting priority 0; }\n"+
		"add chain bridge %[1]s lost_to { type filter hook postrouting priority 0; }\n"+rule, table, m.Name)
	return m.cluster.nftWAN(ctx, script)
}

// Heal undoes Cut and BlackHole.
func (m *Machine) Heal(ctx context.Context) error {
	table := m.lossTable()
	err := m.cluster.nftWAN(ctx, fmt.Sprintf("add table bridge %[1]s\ndelete table bridge %[1]s\n", table))
	return errors.Join(err, runAll(ctx, "ip -n "+m.cluster.wanNamespace()+" link set "+m.Name+" up"))
}

// lossTable is the machine's table in the switch's firewall.
func (m *Machine) lossTable() string { return "loss_" + strings.ReplaceAll(m.Name, "-", "_") }

// nftWAN runs an nft script in the switch's namespace, as one transaction.
func (c *Cluster) nftWAN(ctx context.Context, script string) error {
	file, err := os.CreateTemp(c.Dir(), "nft-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString(script); err != nil {
		return err
	}
	err = run(ctx, "nsenter", "--net="+filepath.Join(netnsDir, c.wanNamespace()), "nft", "--file", file.Name())
	return err
}

func ensureNamespace(ctx context.Context, ns string) error {
	if _, err := os.Stat(filepath.Join(netnsDir, ns)); err != nil {
		if err := run(ctx, "ip", "netns", "add", ns); err != nil {
			return err
		}
	}
	return runAll(ctx, "ip -n "+ns+" link set lo up")
}

// deleteNamespace removes a namespace with the devices in it.
func deleteNamespace(ctx context.Context, ns string) error {
	if _, err := os.Stat(filepath.Join(netnsDir, ns)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	err := run(ctx, "ip", "netns", "delete", ns)
	return err
}

func deviceExists(ctx context.Context, ns, dev string) bool {
	err := run(ctx, "ip", "-n", ns, "link", "show", "dev", dev)
	return err == nil
}

// enableForwarding lets a namespace route packets.
func enableForwarding(ns string) error {
	result := make(chan error, 1)
	go func() {
		// The thread stays in the namespace, so it ends with this goroutine.
		runtime.LockOSThread()
		result <- func() error {
			f, err := os.Open(filepath.Join(netnsDir, ns))
			if err != nil {
				return err
			}
			defer f.Close()
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
		}()
	}()
	if err := <-result; err != nil {
		return fmt.Errorf("enable forwarding in %s: %w", ns, err)
	}
	return nil
}
