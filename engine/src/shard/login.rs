//! Login and discovery: who may enter where, and what is shown to whom.

use std::sync::Arc;
use std::time::Instant;

use ferrite_iscsi::{Candidate, LoginEvent, LoginStatus, TargetRecord, TargetsAsked};
use ferrite_scsi::NexusId;

use super::Shard;
use super::letters::Letter;
use super::link::Phase;
use super::session::Member;
use crate::catalog::Target;
use crate::io::Io;
use crate::roster::{Claim, NexusName, Waiter};

impl<I: Io> Shard<I> {
    /// Acts on what login has found, and takes what it has to say.
    pub(super) fn login_events(&mut self, link: usize, now: Instant) {
        loop {
            let Some(entry) = self.links.get_mut(link) else { return };
            let Phase::Login(phase) = &mut entry.phase else { return };
            let output = phase.login.output();
            entry.early.push_bytes(&output);
            let Some(event) = phase.login.poll_event() else { break };
            match event {
                LoginEvent::Names(candidate) => self.offer_terms(link, &candidate),
                LoginEvent::Ready(candidate) => self.claim_seat(link, candidate, now),
                LoginEvent::Failed { status, why } => {
                    let (class, detail) = status.code();
                    tracing::warn!(peer = %entry.peer, "login refused ({class:02x}/{detail:02x}): {why}");
                    self.close_after_flush(link, now);
                }
                LoginEvent::Fault(fault) => self.fault(link, &fault, now),
            }
        }
        self.mark_dirty(link);
    }

    /// The candidate has said who it is and where it wants to go.
    fn offer_terms(&mut self, link: usize, candidate: &Candidate) {
        let entry = &mut self.links[link];
        let Phase::Login(phase) = &mut entry.phase else { unreachable!("it has login events") };
        if self.draining.is_some() {
            return phase.login.refuse(LoginStatus::ServiceUnavailable, "the target is going away");
        }
        let Some(name) = &candidate.target else {
            return phase.login.offer(self.catalog.discovery_terms(entry.portal_group));
        };
        let Some(target) = self.catalog.find(name) else {
            let why = format!("{} asked for {name}, which is not served here", candidate.initiator);
            return phase.login.refuse(LoginStatus::NotFound, &why);
        };
        let admission = target.access.judge(&candidate.initiator, entry.peer.ip());
        if !admission.is_granted() {
            let why = format!("{} may not enter {name}: {admission}", candidate.initiator);
            return phase.login.refuse(LoginStatus::AuthorizationFailure, &why);
        }
        phase.login.offer(target.terms(entry.portal_group));
        phase.target = Some(target.clone());
    }

    /// Negotiated and authenticated: it may enter when no older session of the same nexus is in its way.
    fn claim_seat(&mut self, link: usize, candidate: Candidate, now: Instant) {
        let entry = &mut self.links[link];
        let Phase::Login(phase) = &mut entry.phase else { unreachable!("it has login events") };
        if candidate.tsih != 0 {
            // One connection per session: there is no session that a second connection could join.
            let (status, why) = match self.roster.knows(candidate.tsih) {
                true => (LoginStatus::TooManyConnections, "a session has one connection here (MaxConnections=1)"),
                false => (LoginStatus::SessionDoesNotExist, "it names a session that does not exist"),
            };
            phase.login.refuse(status, why);
            return self.close_after_flush(link, now);
        }
        if self.draining.is_some() {
            phase.login.refuse(LoginStatus::ServiceUnavailable, "the target is going away");
            return self.close_after_flush(link, now);
        }
        // A discovery session that names a target enters nothing, and must not end a session that did.
        let target = phase.target.as_ref().filter(|_| !candidate.discovery);
        let name = target.map(|target| NexusName {
            initiator: candidate.initiator.clone(),
            isid: candidate.isid.0,
            target: target.id,
            portal_group: entry.portal_group,
        });
        let waiter = Waiter { shard: self.number, link: entry.serial };
        match self.roster.claim(name, waiter) {
            Claim::Granted(seat) => self.enter(link, &candidate, seat, now),
            Claim::Full => {
                phase.login.refuse(LoginStatus::OutOfResources, "the limit on sessions is reached");
                self.close_after_flush(link, now);
            }
            Claim::Taken { shard, session } => {
                phase.waiting = Some(candidate);
                let why = "its initiator logged in again (session reinstatement, RFC 7143 §6.3.5)";
                self.peers[shard].post(Letter::EndSession { session, why });
            }
        }
    }

    /// The session in the way has ended: claim again.
    pub(super) fn proceed_login(&mut self, serial: u64, now: Instant) {
        let Some(link) = self.links.iter().find(|(_, entry)| entry.serial == serial).map(|(key, _)| key) else {
            return;
        };
        let entry = &mut self.links[link];
        let Phase::Login(phase) = &mut entry.phase else { return };
        if entry.closing.is_none()
            && let Some(candidate) = phase.waiting.take()
        {
            self.claim_seat(link, candidate, now);
            self.login_events(link, now);
            self.mark_runnable(link);
        }
    }

    fn enter(&mut self, link: usize, candidate: &Candidate, seat: crate::roster::Seat, now: Instant) {
        let entry = &mut self.links[link];
        let Phase::Login(phase) = std::mem::replace(&mut entry.phase, Phase::Over) else {
            unreachable!("it was in login")
        };
        let (protocol, connection) = phase.login.admit(seat.tsih(), self.limits.connection, now);
        // The catalog may have changed since the names were known. Another target of the same name is not the
        // one whose rules were passed.
        let same = |target: Arc<Target>| self.catalog.find(target.name.as_str()).filter(|now| now.id == target.id);
        let target = phase.target.filter(|_| !candidate.discovery).and_then(same);
        if target.is_none() && !candidate.discovery {
            return self.close_link(link, "the target was removed during the login");
        }
        let isid = candidate.isid.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let nexus = NexusId {
            session: seat.serial(),
            name: Arc::from(format!("{},i,0x{isid}", candidate.initiator)),
            portal_group: entry.portal_group,
        };
        tracing::info!(
            peer = %entry.peer,
            initiator = candidate.initiator,
            target = target.as_ref().map_or("(discovery)", |target| target.name.as_str()),
            user = candidate.user,
            "session started"
        );
        let member = Member::new(protocol, link, seat, target.cloned(), nexus);
        let session = self.members.insert(member);
        self.links[link].phase = Phase::Full { connection: Box::new(connection), session };
        self.mark_dirty(link);
        self.note_deadline(link);
    }

    /// A login that is under way when the target goes away is refused, as a temporary matter.
    pub(super) fn refuse_login_while_draining(&mut self, link: usize, now: Instant) {
        let Phase::Login(phase) = &mut self.links[link].phase else { return };
        phase.login.refuse(LoginStatus::ServiceUnavailable, "the target is going away");
        self.login_events(link, now);
        self.close_after_flush(link, now);
    }

    /// SendTargets: only what the asker may enter, by addresses it can reach (RFC 7143 Appendix C).
    pub(super) fn send_targets(&mut self, link: usize, asked: &TargetsAsked) {
        let entry = &self.links[link];
        let Phase::Full { session, .. } = entry.phase else { unreachable!("it has events") };
        let member = &self.members[session];
        let shown = |name: &str| match asked {
            TargetsAsked::All => true,
            TargetsAsked::One(one) => one.eq_ignore_ascii_case(name),
            TargetsAsked::Own => member.target.as_ref().is_some_and(|own| own.name.as_str() == name),
        };
        let initiator = member.protocol.initiator();
        let portals = self.catalog.portals_seen_at(entry.local);
        let records: Vec<TargetRecord> = self
            .catalog
            .targets
            .values()
            .filter(|target| shown(target.name.as_str()) && target.access.admits(initiator, entry.peer.ip()))
            .map(|target| TargetRecord { name: target.name.as_str().to_owned(), portals: portals.clone() })
            .collect();
        if let Some((connection, member)) = self.full(link) {
            connection.answer_targets(&mut member.protocol, &records);
        }
        self.mark_dirty(link);
    }
}
