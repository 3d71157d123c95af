package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// Partition IDs are TF-M's: what is below firstPID belongs to its SPM.
// Partitions that TF-M does not know, and whose manifest asks for nothing, are
// numbered from firstFreePID in the order in which they are linked.
const (
	firstPID     = 256
	firstFreePID = 1000
)

// knownPID returns the ID that TF-M's list of partitions gives to a name, or 0.
func knownPID(name string) int32 {
	switch name {
	case "TFM_SP_PS":
		return 256
	case "TFM_SP_ITS":
		return 257
	case "TFM_SP_CRYPTO":
		return 259
	case "TFM_SP_PLATFORM":
		return 260
	case "TFM_SP_INITIAL_ATTESTATION":
		return 261
	case "TFM_NS_MAILBOX_AGENT":
		return 262
	case "TFM_SP_FWU":
		return 271
	}
	return 0
}

// Partition is a manifest that has its place in a secure world.
type Partition struct {
	// Manifest is a copy: its stateless services have their handles, whatever
	// the file left to "auto".
	Manifest
	// ID is the partition's ID and, in its calls, its client ID. It is
	// positive.
	ID int32
	// Uses are the SIDs of the services that the partition may call, in the
	// order of its dependencies. Weak dependencies that nobody provides are
	// left out.
	Uses []uint32
}

// Link makes one secure world of the manifests. It returns the partitions in
// the order in which they start: each after those whose services it uses, and
// otherwise by priority, and in the order given.
//
// It refuses, with an *Error: two partitions of one name, ID or range of client
// IDs; two services of one name, SID or stateless handle; more than
// MaxStateless stateless services; a dependency that nobody provides; and
// partitions that depend on each other in a circle.
func Link(manifests []*Manifest) ([]Partition, error) {
	l := linker{manifests: manifests, providers: map[string]provider{}}
	for _, m := range manifests {
		p := Partition{Manifest: *m}
		p.Services = slices.Clone(m.Services)
		l.partitions = append(l.partitions, p)
	}
	for _, step := range []func() error{l.checkNames, l.assignHandles, l.assignIDs, l.checkClientIDs, l.resolve} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l.order()
}

// linker is the state of one Link.
type linker struct {
	manifests  []*Manifest
	partitions []Partition         // one for each of manifests
	providers  map[string]provider // by service name
	needs      [][]int             // by partition: the partitions that it uses
}

// provider says which service of which partition has a name.
type provider struct{ partition, service int }

func (l *linker) checkNames() error {
	names := map[string]*Partition{}
	sids := map[uint32]string{}
	for i := range l.partitions {
		p := &l.partitions[i]
		if other, ok := names[p.Name]; ok {
			return p.src.at("name", "%s is the name of the partition in %s too", p.Name, other.File)
		}
		names[p.Name] = p
		for j := range p.Services {
			svc, field := &p.Services[j], fmt.Sprintf("services[%d]", j)
			if other, ok := l.providers[svc.Name]; ok {
				return p.src.at(field+".name", "%s is the name of a service of %s too", svc.Name, l.partitions[other.partition].Name)
			}
			if other, ok := sids[svc.SID]; ok {
				return p.src.at(field+".sid", "0x%08x is the SID of %s too", svc.SID, other)
			}
			l.providers[svc.Name] = provider{i, j}
			sids[svc.SID] = svc.Name
		}
	}
	return nil
}

// assignHandles gives the stateless services their handles: first those that
// ask for one, then the lowest free numbers to the others.
func (l *linker) assignHandles() error {
	var holder [MaxStateless + 1]string
	free := 1
	for _, auto := range []bool{false, true} {
		for i := range l.partitions {
			p := &l.partitions[i]
			for j := range p.Services {
				svc := &p.Services[j]
				if svc.ConnectionBased || auto != (l.asked(i, j) == 0) {
					continue
				}
				field := fmt.Sprintf("services[%d].stateless_handle", j)
				if auto {
					for free <= MaxStateless && holder[free] != "" {
						free++
					}
					if free > MaxStateless {
						return p.src.at(field, "no handle is left: a secure world has at most %d stateless services", MaxStateless)
					}
					svc.StatelessHandle = free
				}
				if svc.StatelessHandle < 1 || svc.StatelessHandle > MaxStateless {
					return p.src.at(field, "%d is not in 1..%d", svc.StatelessHandle, MaxStateless)
				}
				if other := holder[svc.StatelessHandle]; other != "" {
					return p.src.at(field, "%d is the handle of %s too", svc.StatelessHandle, other)
				}
				holder[svc.StatelessHandle] = svc.Name
			}
		}
	}
	return nil
}

// asked returns the handle that the manifest of partition i asks for its
// service j, 0 for any.
func (l *linker) asked(i, j int) int { return l.manifests[i].Services[j].StatelessHandle }

func (l *linker) assignIDs() error {
	taken := map[int32]string{}
	for i := range l.partitions {
		p := &l.partitions[i]
		if p.ID = p.PID; p.ID == 0 {
			p.ID = knownPID(p.Name)
		}
		if p.ID == 0 {
			continue
		}
		if other, ok := taken[p.ID]; ok {
			return p.src.at("pid", "%d is the ID of %s too", p.ID, other)
		}
		taken[p.ID] = p.Name
	}
	next := int32(firstFreePID)
	for i := range l.partitions {
		p := &l.partitions[i]
		if p.ID != 0 {
			continue
		}
		for taken[next] != "" {
			next++
		}
		p.ID = next
		taken[next] = p.Name
	}
	return nil
}

// checkClientIDs keeps the non-secure agents from giving one client ID to two
// clients.
func (l *linker) checkClientIDs() error {
	for i := range l.partitions {
		p := &l.partitions[i]
		for j := range i {
			q := &l.partitions[j]
			if p.ClientIDs != (ClientIDs{}) && q.ClientIDs != (ClientIDs{}) &&
				p.ClientIDs.Base <= q.ClientIDs.Limit && q.ClientIDs.Base <= p.ClientIDs.Limit {
				return p.src.at("client_id_base", "the range overlaps that of %s", q.Name)
			}
		}
	}
	return nil
}

// resolve turns the names of dependencies into SIDs and edges.
func (l *linker) resolve() error {
	l.needs = make([][]int, len(l.partitions))
	for i := range l.partitions {
		p := &l.partitions[i]
		for j, name := range p.Dependencies {
			if _, ok := l.providers[name]; !ok {
				return p.src.at(fmt.Sprintf("dependencies[%d]", j), "no partition has a service %s", name)
			}
		}
		for _, name := range slices.Concat(p.Dependencies, p.WeakDependencies) {
			by, ok := l.providers[name]
			if !ok {
				continue
			}
			p.Uses = append(p.Uses, l.partitions[by.partition].Services[by.service].SID)
			l.needs[i] = append(l.needs[i], by.partition)
		}
	}
	return nil
}

// order returns the partitions in the order in which they start.
func (l *linker) order() ([]Partition, error) {
	order := make([]Partition, 0, len(l.partitions))
	started := make([]bool, len(l.partitions))
	for len(order) < len(l.partitions) {
		next := -1
		for i := range l.partitions {
			waits := slices.ContainsFunc(l.needs[i], func(j int) bool { return !started[j] })
			if !started[i] && !waits && (next < 0 || l.partitions[i].rank() < l.partitions[next].rank()) {
				next = i
			}
		}
		if next < 0 {
			return nil, l.cycle(started)
		}
		started[next] = true
		order = append(order, l.partitions[next])
	}
	return order, nil
}

func (p *Partition) rank() int { return slices.Index([]Priority{High, Normal, Low}, p.Priority) }

// cycle names partitions that wait for each other. Every partition that has not
// started waits for one that has not, so following them must come back.
func (l *linker) cycle(started []bool) *Error {
	at := slices.Index(started, false)
	var path []int
	for !slices.Contains(path, at) {
		path = append(path, at)
		at = l.needs[at][slices.IndexFunc(l.needs[at], func(j int) bool { return !started[j] })]
	}
	path = append(path[slices.Index(path, at):], at)
	names := make([]string, len(path))
	for i, j := range path {
		names[i] = l.partitions[j].Name
	}
	return l.partitions[at].src.at("dependencies", "partitions depend on each other in a circle: %s", strings.Join(names, " -> "))
}
