//! What has to be there: kept from the datagrams that the node was given and the answers that it
//! gave, and from nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pfcp::{
    Cause, CreatePdr, Decoded, FTeid, Message, NodeId, SessionEstablishmentRequest,
    SessionModificationRequest,
};

use crate::model::{Content, Model, chosen};

/// A session that has to be in force.
#[derive(Debug)]
pub struct Session {
    pub node: String,
    pub cp: (u64, IpAddr),
    pub model: Model,
    /// A damaged request was accepted: the node's word is taken for what it meant.
    pub tainted: bool,
}

/// An answer that has to be given again.
#[derive(Debug)]
struct Given {
    answer: Vec<u8>,
    at_ms: u64,
}

#[derive(Debug, Default)]
pub struct Truth {
    /// By our SEID.
    pub sessions: BTreeMap<u64, Session>,
    /// By Node ID: who it is, and where its messages come from.
    pub peers: BTreeMap<String, (NodeId, BTreeSet<IpAddr>)>,
    given: BTreeMap<(SocketAddr, Vec<u8>), Given>,
    /// Sessions that went since [`Truth::gone`] was asked last, without their SMF's doing.
    gone: Vec<u64>,
}

/// What a node refuses although the request alone is sound.
#[derive(Clone, Copy, Debug)]
pub struct Scarce {
    /// A place or a TEID may be short, or wait for a slow worker.
    pub resources: bool,
}

impl Truth {
    /// Sessions that went otherwise than by deletion.
    pub fn gone(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.gone)
    }

    fn owns(&self, from: IpAddr, session: &Session) -> bool {
        self.peers
            .get(&session.node)
            .is_some_and(|(_, at)| at.contains(&from))
    }

    /// Whether a peer sends from there.
    pub fn is_known(&self, from: IpAddr) -> bool {
        self.peers.values().any(|(_, at)| at.contains(&from))
    }

    /// Forgets all sessions of a node but does not mind if they stay away.
    fn end_sessions_of(&mut self, node: &str) {
        let gone = self
            .sessions
            .extract_if(.., |_, session| session.node == node);
        self.gone.extend(gone.map(|(seid, _)| seid));
    }

    /// The UPF started again.
    pub fn restart(&mut self) {
        self.gone.extend(self.sessions.keys());
        self.sessions.clear();
        self.peers.clear();
        self.given.clear();
    }

    /// A peer of that address may have been found to have restarted: then it is gone as a whole.
    pub fn may_forget(&mut self, from: IpAddr, there: &BTreeSet<u64>, peers: &BTreeSet<String>) {
        let at = |(name, (_, at)): (&String, &(NodeId, BTreeSet<IpAddr>))| {
            (at.contains(&from) && !peers.contains(name)).then(|| name.clone())
        };
        let gone: Vec<String> = self.peers.iter().filter_map(at).collect();
        for name in gone {
            let left = self
                .sessions
                .iter()
                .any(|(seid, session)| session.node == name && there.contains(seid));
            if !left {
                self.end_sessions_of(&name);
                self.peers.remove(&name);
                self.given.retain(|(peer, _), _| peer.ip() != from);
            }
        }
    }

    /// A session may be gone because its SMF said that it does not know it.
    pub fn may_lose(&mut self, seid: u64, there: &BTreeSet<u64>) {
        if !there.contains(&seid) && self.sessions.remove(&seid).is_some() {
            self.gone.push(seid);
        }
    }

    // ===== requests that come again =====

    /// What has to be answered to a request that came before.
    pub fn repeated(
        &self,
        from: SocketAddr,
        request: &[u8],
        now_ms: u64,
        hold_ms: u64,
    ) -> Option<&[u8]> {
        let given = self.given.get(&(from, request.to_vec()))?;
        (now_ms < given.at_ms + hold_ms).then_some(&given.answer)
    }

    /// Remembers what was answered.
    pub fn answered(&mut self, from: SocketAddr, request: &[u8], answer: &[u8], at_ms: u64) {
        let answer = answer.to_vec();
        self.given
            .insert((from, request.to_vec()), Given { answer, at_ms });
    }

    // ===== requests that are new =====

    /// Takes in a request and its answer; says what is wrong with the answer.
    pub fn apply(
        &mut self,
        from: SocketAddr,
        request: &Decoded,
        answer: &Decoded,
        damaged: bool,
        scarce: Scarce,
    ) -> Result<(), String> {
        match (&request.message, &answer.message) {
            (Message::HeartbeatRequest(_), Message::HeartbeatResponse(_)) => Ok(()),
            (Message::AssociationSetupRequest(asked), Message::AssociationSetupResponse(given)) => {
                let full = given.cause == Cause::NO_RESOURCES_AVAILABLE;
                if given.cause == Cause::REQUEST_ACCEPTED {
                    self.end_sessions_of(&asked.node_id.to_string());
                    self.given.retain(|(peer, _), _| peer.ip() != from.ip());
                    let peer = (asked.node_id.clone(), BTreeSet::from([from.ip()]));
                    self.peers.insert(asked.node_id.to_string(), peer);
                } else if !damaged && !full {
                    return Err(format!("an association was refused: {}", given.cause));
                }
                Ok(())
            }
            (
                Message::AssociationUpdateRequest(asked),
                Message::AssociationUpdateResponse(given),
            ) => self.node_request(from, &asked.node_id, given.cause),
            (
                Message::AssociationReleaseRequest(asked),
                Message::AssociationReleaseResponse(given),
            ) => {
                self.node_request(from, &asked.node_id, given.cause)?;
                if given.cause == Cause::REQUEST_ACCEPTED {
                    let name = asked.node_id.to_string();
                    self.end_sessions_of(&name);
                    self.peers.remove(&name);
                }
                Ok(())
            }
            (
                Message::SessionEstablishmentRequest(asked),
                Message::SessionEstablishmentResponse(given),
            ) => {
                same("SEID", &answer.header.seid, &Some(asked.cp_f_seid.seid))?;
                self.establishment(from, asked, given, damaged, scarce)
            }
            (
                Message::SessionModificationRequest(asked),
                Message::SessionModificationResponse(given),
            ) => {
                let seid = self.session_request(from, request, answer, given.cause)?;
                match seid {
                    Some(seid) => self.modification(seid, asked, given, damaged, scarce),
                    None => Ok(()),
                }
            }
            (Message::SessionDeletionRequest(_), Message::SessionDeletionResponse(given)) => {
                let Some(seid) = self.session_request(from, request, answer, given.cause)? else {
                    return Ok(());
                };
                if given.cause != Cause::REQUEST_ACCEPTED && !damaged {
                    return Err(format!("a deletion was refused: {}", given.cause));
                }
                if given.cause == Cause::REQUEST_ACCEPTED {
                    self.sessions.remove(&seid);
                }
                Ok(())
            }
            // What is refused whole has changed nothing; the sessions are compared after this.
            (_, answer) if damaged => {
                let _ = answer;
                Ok(())
            }
            (request, answer) => Err(format!("to a {} came a {}", request.name(), answer.name())),
        }
    }

    /// Node messages are for those who are associated.
    fn node_request(&self, from: SocketAddr, node: &NodeId, cause: Cause) -> Result<(), String> {
        let peer = self.peers.get(&node.to_string());
        let known = peer.is_some_and(|(_, at)| at.contains(&from.ip()));
        let expected = if known {
            Cause::REQUEST_ACCEPTED
        } else {
            Cause::NO_ESTABLISHED_ASSOCIATION
        };
        same("cause", &cause, &expected)
    }

    /// The session that a request is about, if it is the sender's; else the right refusal came.
    fn session_request(
        &self,
        from: SocketAddr,
        request: &Decoded,
        answer: &Decoded,
        cause: Cause,
    ) -> Result<Option<u64>, String> {
        let seid = request.header.seid.unwrap_or(0);
        if !self.is_known(from.ip()) {
            same("cause", &cause, &Cause::NO_ESTABLISHED_ASSOCIATION)?;
            return same("SEID", &answer.header.seid, &Some(0)).map(|()| None);
        }
        let session = self
            .sessions
            .get(&seid)
            .filter(|session| self.owns(from.ip(), session));
        let Some(session) = session else {
            same("cause", &cause, &Cause::SESSION_CONTEXT_NOT_FOUND)?;
            return same("SEID", &answer.header.seid, &Some(0)).map(|()| None);
        };
        // A modification may bring a new one.
        let changed = match &request.message {
            Message::SessionModificationRequest(asked) => asked.cp_f_seid.as_ref().map(|f| f.seid),
            _ => None,
        };
        let right = [Some(session.cp.0), changed.or(Some(session.cp.0))];
        if !right.contains(&answer.header.seid) {
            return Err(format!(
                "answered to SEID {:?}, not {right:?}",
                answer.header.seid
            ));
        }
        Ok(Some(seid))
    }

    fn establishment(
        &mut self,
        from: SocketAddr,
        asked: &SessionEstablishmentRequest,
        given: &pfcp::SessionEstablishmentResponse,
        damaged: bool,
        scarce: Scarce,
    ) -> Result<(), String> {
        let node = asked.node_id.to_string();
        let associated = self
            .peers
            .get(&node)
            .is_some_and(|(_, at)| at.contains(&from.ip()));
        if !associated {
            return same("cause", &given.cause, &Cause::NO_ESTABLISHED_ASSOCIATION);
        }
        let address = asked.cp_f_seid.addresses.of_family(true);
        let cp = (asked.cp_f_seid.seid, address.unwrap_or(from.ip()));
        let twin = self
            .sessions
            .iter()
            .find(|(_, old)| old.node == node && old.cp == cp);
        let twin = twin.map(|(seid, _)| *seid);
        if given.cause != Cause::REQUEST_ACCEPTED {
            let sound = Model::establish(asked, None);
            let taken = self.is_taken(&asked.create_pdrs, twin);
            return refused(&sound, given.cause, taken, damaged, scarce);
        }
        let model = Model::establish(asked, Some(&given.created_pdrs));
        let mut model = match model {
            Err(why) if !damaged => return Err(format!("accepted, although: {why}")),
            model => model.unwrap_or_default(),
        };
        let seid = given.up_f_seid.as_ref().ok_or("no UP F-SEID")?.seid;
        if let Some(twin) = twin {
            self.sessions.remove(&twin);
            self.gone.push(twin);
        }
        if damaged {
            model.resync(Content::default());
        }
        let session = Session {
            node: node.clone(),
            cp,
            model,
            tainted: damaged,
        };
        if self.sessions.insert(seid, session).is_some() {
            return Err(format!("SEID {seid:#x} was given twice"));
        }
        self.peers
            .entry(node)
            .and_modify(|(_, at)| _ = at.insert(cp.1));
        Ok(())
    }

    fn modification(
        &mut self,
        seid: u64,
        asked: &SessionModificationRequest,
        given: &pfcp::SessionModificationResponse,
        damaged: bool,
        scarce: Scarce,
    ) -> Result<(), String> {
        let pdis = asked.create_pdrs.iter().map(|pdr| &pdr.pdi);
        let pdis: Vec<_> = pdis
            .chain(asked.update_pdrs.iter().filter_map(|pdr| pdr.pdi.as_ref()))
            .collect();
        let mut wanted: BTreeSet<Key> = pdis.iter().flat_map(|pdi| keys(pdi)).collect();
        // A PDR from the core without a UE address is found by the session's.
        let pdrs = self
            .sessions
            .get(&seid)
            .map(|session| &session.model.content.pdrs);
        let ues = pdrs
            .into_iter()
            .flat_map(|pdrs| pdrs.values())
            .flat_map(|pdr| &pdr.ue);
        wanted.extend(ues.copied().map(Key::Ue));
        let taken = self.any_taken(&wanted, Some(seid));
        let Some(session) = self.sessions.get_mut(&seid) else {
            return Ok(());
        };
        if given.cause != Cause::REQUEST_ACCEPTED {
            let sound = session.model.modify(asked, None);
            return refused(
                &sound,
                given.cause,
                taken,
                damaged || session.tainted,
                scarce,
            );
        }
        if let Some(f_seid) = &asked.cp_f_seid {
            session.cp = (
                f_seid.seid,
                f_seid.addresses.of_family(true).unwrap_or(session.cp.1),
            );
            let (node, address) = (session.node.clone(), session.cp.1);
            self.peers
                .entry(node)
                .and_modify(|(_, at)| _ = at.insert(address));
        }
        let Some(session) = self.sessions.get_mut(&seid) else {
            return Ok(());
        };
        session.tainted |= damaged;
        match session.model.modify(asked, Some(&chosen(given))) {
            Ok(model) => session.model = model,
            Err(why) if !session.tainted => return Err(format!("accepted, although: {why}")),
            Err(_) => {}
        }
        if damaged {
            self.gone.push(seid);
        }
        Ok(())
    }

    fn is_taken(&self, pdrs: &[CreatePdr], but: Option<u64>) -> bool {
        self.any_taken(&pdrs.iter().flat_map(|pdr| keys(&pdr.pdi)).collect(), but)
    }

    /// Whether another session has one of these keys.
    fn any_taken(&self, wanted: &BTreeSet<Key>, but: Option<u64>) -> bool {
        let others = self.sessions.iter().filter(|(seid, _)| Some(**seid) != but);
        let mut held = others.flat_map(|(_, session)| session.model.content.pdrs.values());
        held.any(|pdr| {
            pdr.teid
                .is_some_and(|teid| wanted.contains(&Key::Teid(teid)))
                || pdr.ue.iter().any(|ue| wanted.contains(&Key::Ue(*ue)))
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Teid(u32),
    Ue(IpNet),
}

/// What a PDI asks for that only one session can have.
fn keys(pdi: &pfcp::Pdi) -> Vec<Key> {
    let mut keys: Vec<Key> = crate::model::addresses(pdi)
        .into_iter()
        .map(Key::Ue)
        .collect();
    if let Some(FTeid::Given { teid, .. }) = pdi.local_f_teid {
        keys.push(Key::Teid(teid));
    }
    keys
}

/// Whether a refusal was right.
fn refused(
    sound: &Result<Model, String>,
    cause: Cause,
    taken: bool,
    damaged: bool,
    scarce: Scarce,
) -> Result<(), String> {
    let short = cause == Cause::NO_RESOURCES_AVAILABLE;
    let is_taken = [
        Cause::RULE_CREATION_MODIFICATION_FAILURE,
        Cause::RESTORATION_FAILURE,
    ]
    .contains(&cause);
    if sound.is_err() || damaged || (taken && is_taken) || (short && scarce.resources) {
        return Ok(());
    }
    Err(format!("refused with cause {cause}, and nothing was wrong"))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, should: &T) -> Result<(), String> {
    if is == should {
        return Ok(());
    }
    Err(format!("{what} is {is:?}, not {should:?}"))
}
