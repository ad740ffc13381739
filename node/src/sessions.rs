//! `Sessions`: which sessions this node has, and whether it takes another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, MessageResult};
use tercet_ids::SessionId;
use tercet_wire::{Failure, QUERIES_MAX, Run};
use tokio::sync::oneshot;

use crate::failure::SessionError;
use crate::limits::MAILBOX_MAX;
use crate::messages::{
    AdmitPreparation, BeginSession, CancelAll, CancelSession, CountSessions, Drain, GiveUp, SessionEnded, SessionResult,
};
use crate::seen::Seen;
use crate::session::{Services, Session};

/// Owns the registry of sessions. Each is an actor of its own.
pub struct Sessions {
    services: Arc<Services>,
    seen: Seen,
    sessions: HashMap<SessionId, Addr<Session>>,
    /// Set once the node is being stopped; heard when the last session has ended.
    drained: Option<oneshot::Sender<()>>,
    stopping: bool,
}

impl Sessions {
    /// No sessions yet.
    pub fn new(services: Arc<Services>) -> Sessions {
        Sessions {
            services,
            seen: Seen::default(),
            sessions: HashMap::new(),
            drained: None,
            stopping: false,
        }
    }

    /// What can be refused before anything is opened.
    fn admit(&mut self, run: &Run, is_prepared: bool) -> Result<(), SessionError> {
        let (party, limits) = (self.services.me, &self.services.limits);
        if self.stopping {
            return Err(SessionError::Stopping(party));
        }
        let sessions = self.sessions.len();
        if sessions >= limits.sessions + limits.queued_sessions {
            return Err(SessionError::Full { party, sessions });
        }
        let queries = run.queries.len();
        if queries == 0 || queries > QUERIES_MAX {
            return Err(SessionError::Queries { party, queries });
        }
        let bytes = run.queries.iter().map(|part| part.envelope.as_slice().len()).sum();
        if bytes > limits.envelope_bytes {
            return Err(SessionError::EnvelopeBytes {
                party,
                bytes,
                most: limits.envelope_bytes,
            });
        }
        // Last, so that what was refused for want of room may be told again.
        if !is_prepared && !self.seen.insert(run.session) {
            return Err(SessionError::Replayed(party));
        }
        Ok(())
    }

    fn count(&self) {
        let places = self.services.limits.sessions;
        let sessions = self.sessions.len();
        let queue = &self.services.metrics.queue;
        queue.active(sessions.min(places));
        queue.waiting(sessions.saturating_sub(places));
    }
}

impl Actor for Sessions {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<BeginSession> for Sessions {
    type Result = Result<oneshot::Receiver<SessionResult>, Failure>;

    fn handle(&mut self, begin: BeginSession, context: &mut Context<Self>) -> Self::Result {
        let BeginSession {
            run,
            received,
            prepared,
        } = begin;
        let me = self.services.me;
        self.admit(&run, prepared.is_some()).map_err(|error| {
            self.services.refused(&run, &error);
            error.failure(me)
        })?;
        let asked = Duration::from_millis(run.deadline_ms);
        let deadline = received + asked.min(self.services.limits.session_time);
        let (reply, result) = oneshot::channel();
        let id = run.session;
        let session = Session::new(run, prepared, deadline, self.services.clone(), context.address(), reply);
        self.sessions.insert(id, session.start());
        self.count();
        Ok(result)
    }
}

impl Handler<AdmitPreparation> for Sessions {
    type Result = Result<(), Failure>;

    fn handle(&mut self, AdmitPreparation(session): AdmitPreparation, _: &mut Context<Self>) -> Self::Result {
        let me = self.services.me;
        let admitted = match (self.stopping, self.seen.insert(session)) {
            (true, _) => Err(SessionError::Stopping(me)),
            (false, false) => Err(SessionError::Replayed(me)),
            (false, true) => Ok(()),
        };
        admitted.map_err(|error| error.failure(me))
    }
}

impl Handler<SessionEnded> for Sessions {
    type Result = ();

    fn handle(&mut self, SessionEnded(session): SessionEnded, _: &mut Context<Self>) {
        self.sessions.remove(&session);
        self.count();
        self.services.forget(session);
        if self.sessions.is_empty()
            && let Some(drained) = self.drained.take()
        {
            // Nobody listens any more if the time for it has passed.
            let _ = drained.send(());
        }
    }
}

impl Handler<CancelSession> for Sessions {
    type Result = ();

    fn handle(&mut self, CancelSession(session): CancelSession, _: &mut Context<Self>) {
        if let Some(session) = self.sessions.get(&session) {
            // A session's mailbox holds nothing but this.
            let _ = session.try_send(GiveUp);
        }
    }
}

impl Handler<CountSessions> for Sessions {
    type Result = MessageResult<CountSessions>;

    fn handle(&mut self, _: CountSessions, _: &mut Context<Self>) -> Self::Result {
        MessageResult((self.sessions.len(), self.stopping))
    }
}

impl Handler<Drain> for Sessions {
    type Result = MessageResult<Drain>;

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) -> Self::Result {
        let (drained, heard) = oneshot::channel();
        self.stopping = true;
        self.services.pool.close();
        if self.sessions.is_empty() {
            // The receiver is in our hands.
            let _ = drained.send(());
        } else {
            self.drained = Some(drained);
        }
        MessageResult(heard)
    }
}

impl Handler<CancelAll> for Sessions {
    type Result = ();

    fn handle(&mut self, _: CancelAll, _: &mut Context<Self>) {
        for session in self.sessions.values() {
            // A session's mailbox holds nothing but this.
            let _ = session.try_send(GiveUp);
        }
    }
}
