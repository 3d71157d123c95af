// Package spm is the Secure Partition Manager: it knows the partitions and their
// services, names every caller, and carries each client call to the service it
// is for, after checking that it may go there (FF-M 1.1).
//
// Calls come in through Sessions. A non-secure process has one, opened by the
// veneer's server with the negative client ID of its context; its handles,
// request types, vectors and identifiers are an attacker's until checked here.
// A secure partition has one, with its positive partition ID; what would be
// refused to a non-secure caller with a status stops a partition (FF-M 1.1,
// PROGRAMMER ERROR).
//
// Locks, in the order in which they are taken: a partition's turn (instance.turn,
// held while a message is with a service of a partition that takes one at a
// time; nested along the dependencies between partitions, which form no circle),
// then partition.mu, Session.mu or thread.mu, of which none is held while
// another is taken.
package spm

import (
	"errors"
	"fmt"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/postern-spe/postern/spe/manifest"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

// Partition is a partition to be run: what its manifest says, and its code. New
// is called again for each restart of the partition.
type Partition struct {
	Manifest *manifest.Manifest
	New      func() service.Partition
}

// FaultPolicy is what becomes of a partition that panics or makes a programmer
// error. Either way its callers get veneer.ErrServiceFailure and its connections
// are gone.
type FaultPolicy int

const (
	Restart FaultPolicy = iota // it starts anew, unless it has just done so too often
	Stop                       // it answers no more
)

// Config is what an SPM is made from.
type Config struct {
	Log        *zap.Logger
	Partitions []Partition
	OnFault    FaultPolicy
	Lifecycle  func() uint32 // psa_rot_lifecycle_state
}

// SPM is a Secure Partition Manager. Its methods, and those of its sessions, are
// safe for concurrent use once Start has returned.
type SPM struct {
	log         *zap.Logger
	traces      bool // the log takes a line for every call
	onFault     FaultPolicy
	lifecycle   func() uint32
	partitions  []*partition // in the order in which they start
	services    map[veneer.SID]*rotService
	stateless   [veneer.MaxStatelessServices]*rotService
	connections *connections
	sessions    atomic.Uint64
}

// rotService is one RoT Service.
type rotService struct {
	*manifest.Service
	partition *partition
	index     int // in the partition's manifest
}

// New returns the SPM of a set of partitions, none of which runs yet. It refuses
// what manifest.Link refuses, and a partition whose code lacks a service of its
// manifest or is of another model.
func New(cfg Config) (*SPM, error) {
	manifests := make([]*manifest.Manifest, len(cfg.Partitions))
	code := make(map[string]func() service.Partition)
	for i, p := range cfg.Partitions {
		manifests[i] = p.Manifest
		code[p.Manifest.Name] = p.New
	}
	linked, err := manifest.Link(manifests)
	if err != nil {
		return nil, err
	}
	s := &SPM{
		log: cfg.Log, traces: cfg.Log.Core().Enabled(zap.DebugLevel),
		onFault: cfg.OnFault, lifecycle: cfg.Lifecycle,
		services:    make(map[veneer.SID]*rotService),
		connections: newConnections(),
	}
	for i := range linked {
		p := &partition{Partition: &linked[i], spm: s, create: code[linked[i].Name]}
		p.log = s.log.With(zap.String("partition", p.Name))
		p.uses = make(map[veneer.SID]bool, len(p.Uses))
		for _, sid := range p.Uses {
			p.uses[veneer.SID(sid)] = true
		}
		for j := range p.Services {
			svc := &rotService{Service: &p.Services[j], partition: p, index: j}
			s.services[veneer.SID(svc.SID)] = svc
			if !svc.ConnectionBased {
				s.stateless[svc.StatelessHandle-1] = svc
			}
		}
		s.partitions = append(s.partitions, p)
	}
	return s, nil
}

// Start starts the partitions, each after those that it depends on. When one
// cannot start, those that have are stopped.
func (s *SPM) Start() error {
	for _, p := range s.partitions {
		if err := p.run(); err != nil {
			s.Stop()
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	return nil
}

// Stop ends the threads of IPC partitions and lets no further message through.
// Messages that are with a service are answered by it.
func (s *SPM) Stop() {
	for _, p := range s.partitions {
		p.stop()
	}
}

// admits reports whether the caller may use the service: a non-secure one by the
// service's manifest, a partition by its own.
func (svc *rotService) admits(s *Session) bool {
	if s.caller == nil {
		return svc.NonSecureClients
	}
	return s.caller.uses[veneer.SID(svc.SID)]
}

// accepts applies the service's version policy to the version that a caller was
// built against.
func (svc *rotService) accepts(version uint32) bool {
	if svc.VersionPolicy == manifest.Relaxed {
		return version <= svc.Version && version != veneer.VersionNone
	}
	return version == svc.Version
}

// status is where errors become statuses: the one edge past which a caller
// learns a number and nothing else. What the error says beyond it goes to the
// log, and so does every programmer error.
func (c *call) status(err error) veneer.Status {
	if err == nil {
		return veneer.Success
	}
	if st, ok := err.(veneer.Status); ok {
		if st == veneer.ErrProgrammerError {
			c.session.log.Warn("call failed", zap.String("service", c.service.Name), zap.Int32("type", c.typ),
				zap.Int32("status", int32(st)), zap.String("reason", "not a message of the service"))
		}
		return st
	}
	st := veneer.ErrGenericError
	errors.As(err, &st)
	c.session.log.Warn("call failed", zap.String("service", c.service.Name), zap.Int32("type", c.typ),
		zap.Int32("status", int32(st)), zap.Error(err))
	return st
}
