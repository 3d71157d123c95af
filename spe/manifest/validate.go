package manifest

import (
	"fmt"
	"math"
	"slices"
)

// manifest judges what a file says, by FF-M's rules and TF-M's, and fills in
// the defaults.
func (raw *rawManifest) manifest(s *source) (*Manifest, error) {
	m := &Manifest{
		File:               s.file,
		Description:        raw.Description,
		NSAgent:            raw.NSAgent,
		NonFFM:             raw.NonFFM,
		ConcurrentMessages: raw.Concurrent,
		src:                s,
	}
	var err error
	if m.FrameworkVersion, err = s.frameworkVersion(raw.FrameworkVersion); err != nil {
		return nil, err
	}
	if m.Name, err = s.name("name", raw.Name); err != nil {
		return nil, err
	}
	if m.Type, err = oneOf(s, "type", raw.Type, PSARoT, ApplicationRoT); err != nil {
		return nil, err
	}
	if m.Priority, err = oneOf(s, "priority", raw.Priority, High, Normal, Low); err != nil {
		return nil, err
	}
	if m.StackSize, err = s.size("stack_size", raw.StackSize); err != nil {
		return nil, err
	}
	if m.HeapSize, err = s.size("heap_size", raw.HeapSize); err != nil {
		return nil, err
	}
	if m.ClientIDs, err = s.clientIDs("", raw.ClientIDBase, raw.ClientIDLimit); err != nil {
		return nil, err
	}
	// IDs below 256 are TF-M's own; secure client IDs are positive.
	pid, _, err := s.integer("pid", raw.PID, firstPID, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	m.PID = int32(pid)
	for _, step := range []func(*rawManifest, *source) error{m.setModel, m.setServices, m.setIRQs, m.setMMIO, m.setDependencies} {
		if err := step(raw, s); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Manifest) setModel(raw *rawManifest, s *source) (err error) {
	if m.FrameworkVersion == FrameworkVersion10 {
		// FF-M 1.0 has no key for it: the IPC model is all there is.
		if raw.Model != "" && raw.Model != string(IPC) {
			return s.at("model", "%q, but a partition of FF-M 1.0 is of the IPC model", raw.Model)
		}
		m.Model = IPC
	} else if m.Model, err = oneOf(s, "model", raw.Model, IPC, SFN, Dual); err != nil {
		return err
	}
	m.EntryPoint, m.EntryInit = raw.EntryPoint, raw.EntryInit
	for _, e := range []struct{ field, value string }{{"entry_point", m.EntryPoint}, {"entry_init", m.EntryInit}} {
		if e.value != "" && !isName(e.value) {
			return s.at(e.field, "%q is not the name of a function", e.value)
		}
	}
	switch {
	case m.Model == IPC && m.EntryPoint == "":
		return s.at("entry_point", "is missing: a partition of the IPC model has one")
	case m.Model == IPC && m.EntryInit != "":
		return s.at("entry_init", "is for the SFN model; this partition is of the IPC model")
	case m.Model == SFN && m.EntryPoint != "":
		return s.at("entry_point", "is for the IPC model; this partition is of the SFN model")
	}
	return nil
}

func (m *Manifest) setServices(raw *rawManifest, s *source) error {
	switch n := len(raw.Services) + len(raw.IRQs); {
	case n == 0:
		return s.at("services", "a partition has at least one service or interrupt")
	case n > MaxSignals:
		return s.at("services", "%d services and interrupts, of at most %d", n, MaxSignals)
	}
	for i := range raw.Services {
		svc, err := raw.Services[i].service(s, fmt.Sprintf("services[%d].", i), m.FrameworkVersion)
		if err != nil {
			return err
		}
		svc.Signal = 1 << (firstServiceBit + i)
		for j, other := range m.Services {
			switch {
			case other.Name == svc.Name:
				return s.at(fmt.Sprintf("services[%d].name", i), "%s is the name of services[%d] too", svc.Name, j)
			case other.SID == svc.SID:
				return s.at(fmt.Sprintf("services[%d].sid", i), "0x%08x is the SID of %s too", svc.SID, other.Name)
			case svc.StatelessHandle != 0 && other.StatelessHandle == svc.StatelessHandle:
				return s.at(fmt.Sprintf("services[%d].stateless_handle", i), "%d is the handle of %s too", svc.StatelessHandle, other.Name)
			}
		}
		m.Services = append(m.Services, svc)
	}
	return nil
}

func (raw *rawService) service(s *source, prefix string, fw FrameworkVersion) (svc Service, err error) {
	svc.Description = raw.Description
	if svc.Name, err = s.name(prefix+"name", raw.Name); err != nil {
		return svc, err
	}
	sid, ok, err := s.integer(prefix+"sid", raw.SID, 0, math.MaxUint32)
	switch {
	case err != nil:
		return svc, err
	case !ok:
		return svc, s.at(prefix+"sid", "is missing")
	case raw.NonSecureClients == nil:
		return svc, s.at(prefix+"non_secure_clients", "is missing: true or false")
	}
	svc.SID, svc.NonSecureClients = uint32(sid), *raw.NonSecureClients

	switch {
	case fw == FrameworkVersion10:
		// FF-M 1.0 has connections only.
		if raw.ConnectionBased != nil && !*raw.ConnectionBased {
			return svc, s.at(prefix+"connection_based", "false, but a service of FF-M 1.0 is connection-based")
		}
		svc.ConnectionBased = true
	case raw.ConnectionBased == nil:
		return svc, s.at(prefix+"connection_based", "is missing: true or false, since FF-M 1.1")
	default:
		svc.ConnectionBased = *raw.ConnectionBased
	}
	// A stateless handle has 8 bits for the version; 0 is PSA_VERSION_NONE.
	maxVersion := int64(math.MaxUint32)
	if !svc.ConnectionBased {
		maxVersion = math.MaxUint8
	}
	version, ok, err := s.integer(prefix+"version", raw.Version, 1, maxVersion)
	switch {
	case err != nil:
		return svc, err
	case !ok:
		version = 1
	}
	svc.Version = uint32(version)
	svc.VersionPolicy = Strict
	if raw.VersionPolicy != "" {
		if svc.VersionPolicy, err = oneOf(s, prefix+"version_policy", raw.VersionPolicy, Strict, Relaxed); err != nil {
			return svc, err
		}
	}
	if raw.MMIOVec != "" {
		v, err := oneOf(s, prefix+"mm_iovec", raw.MMIOVec, "enable", "disable")
		if err != nil {
			return svc, err
		}
		svc.MMIOVec = v == "enable"
	}
	svc.StatelessHandle, err = raw.statelessHandle(s, prefix+"stateless_handle", svc.ConnectionBased)
	return svc, err
}

// statelessHandle returns the number of the handle, 0 for "auto", which is also
// what an absent value means.
func (raw *rawService) statelessHandle(s *source, field string, connectionBased bool) (int, error) {
	if connectionBased {
		if raw.StatelessHandle != nil {
			return 0, s.at(field, "is for stateless services; this one is connection-based")
		}
		return 0, nil
	}
	if raw.StatelessHandle == "auto" {
		return 0, nil
	}
	n, _, err := s.integer(field, raw.StatelessHandle, 1, MaxStateless)
	return int(n), err
}

func (m *Manifest) setIRQs(raw *rawManifest, s *source) error {
	for i := range raw.IRQs {
		r, prefix := &raw.IRQs[i], fmt.Sprintf("irqs[%d].", i)
		irq := IRQ{Description: r.Description, Signal: 1 << (firstIRQBit - i), Handling: SecondLevel}
		switch src := r.Source.(type) {
		case nil:
			return s.at(prefix+"source", "is missing")
		case string:
			irq.Source = src
		default:
			n, _, err := s.integer(prefix+"source", src, 0, math.MaxUint32)
			if err != nil {
				return err
			}
			irq.Source = fmt.Sprint(n)
		}
		var err error
		if m.FrameworkVersion == FrameworkVersion10 {
			// FF-M 1.0 calls it signal and has one way of handling it.
			irq.Name, err = s.name(prefix+"signal", r.Signal)
		} else if irq.Name, err = s.name(prefix+"name", r.Name); err == nil {
			irq.Handling, err = oneOf(s, prefix+"handling", r.Handling, FirstLevel, SecondLevel)
		}
		if err != nil {
			return err
		}
		if irq.ClientIDs, err = s.clientIDs(prefix, r.ClientIDBase, r.ClientIDLimit); err != nil {
			return err
		}
		if j := slices.IndexFunc(m.IRQs, func(o IRQ) bool { return o.Name == irq.Name }); j >= 0 {
			return s.at(fmt.Sprintf("irqs[%d]", i), "%s is the name of irqs[%d] too", irq.Name, j)
		}
		m.IRQs = append(m.IRQs, irq)
	}
	return nil
}

func (m *Manifest) setMMIO(raw *rawManifest, s *source) error {
	for i := range raw.MMIORegions {
		r, prefix := &raw.MMIORegions[i], fmt.Sprintf("mmio_regions[%d].", i)
		base, hasBase, err := s.integer(prefix+"base", r.Base, 0, math.MaxUint32)
		if err != nil {
			return err
		}
		size, hasSize, err := s.integer(prefix+"size", r.Size, 1, math.MaxUint32)
		if err != nil {
			return err
		}
		switch {
		case r.Name == "" && !(hasBase && hasSize):
			return s.at(prefix+"name", "a region has a name, or a base and a size")
		case r.Name != "" && (hasBase || hasSize):
			return s.at(prefix+"name", "a region has a name, or a base and a size, not both")
		case r.Name != "" && !isName(r.Name):
			return s.at(prefix+"name", "%q is not a name", r.Name)
		case base+size > 1<<32:
			return s.at(prefix+"size", "the region ends beyond the address space")
		}
		permission, err := oneOf(s, prefix+"permission", r.Permission, "READ-ONLY", "READ-WRITE")
		if err != nil {
			return err
		}
		m.MMIORegions = append(m.MMIORegions, MMIORegion{r.Name, uint32(base), uint32(size), permission == "READ-WRITE"})
	}
	return nil
}

func (m *Manifest) setDependencies(raw *rawManifest, s *source) error {
	seen := map[string]bool{}
	for _, list := range []struct {
		field string
		names []string
		to    *[]string
	}{
		{"dependencies", raw.Dependencies, &m.Dependencies},
		{"weak_dependencies", raw.WeakDependencies, &m.WeakDependencies},
	} {
		for i, v := range list.names {
			field := fmt.Sprintf("%s[%d]", list.field, i)
			name, err := s.name(field, v)
			if err != nil {
				return err
			}
			if seen[name] {
				return s.at(field, "%s is named twice", name)
			}
			seen[name] = true
			*list.to = append(*list.to, name)
		}
	}
	return nil
}
