//! A run's way to its place: what it wishes for, which offer it takes, when it tries again, and
//! what it says while it waits.

use headroom_proto::v1::{Offer, Reason, Resources, TaskStatus, Wanted, WhyRequest};
use serde_json::json;

use super::course::Course;
use super::ending::Ending;
use super::fit;
use super::framework::Trouble;
use crate::failure::Failure;
use crate::span;

/// How often an offer may be gone before we get to use it.
const MAX_PLACEMENTS: u32 = 20;

impl Course<'_> {
    /// Asks for the task's place, or for nothing more.
    ///
    /// Who says what it wants is offered just that; a wish cannot say "any three ports", so a task
    /// that needs ports says nothing and chooses from whatever there is.
    pub(super) async fn wish(&self, placed: bool) -> Result<(), Trouble> {
        if self.plan.ports > 0 {
            return Ok(());
        }
        let resources = Some(self.plan.wanted.clone());
        let name = self.plan.task_id.clone();
        let wanted = Wanted { name, resources, ..Default::default() };
        self.framework.request(if placed { Vec::new() } else { vec![wanted] }).await
    }

    /// Takes the first offer that fits and declines the others.
    pub(super) async fn choose(&mut self, offers: Vec<Offer>) -> Result<(), Trouble> {
        let mut declined = Vec::new();
        let mut taken = None;
        for offer in offers {
            let free = !self.launched && self.stops == 0 && taken.is_none();
            match fit::take(self.plan, &offer).filter(|_| free) {
                Some(resources) => taken = Some((offer, resources)),
                None => declined.push(offer.offer_id),
            }
        }
        if let Some((offer, resources)) = taken {
            self.launch(offer, resources).await?;
        }
        self.framework.decline(declined).await
    }

    async fn launch(&mut self, offer: Offer, resources: Resources) -> Result<(), Trouble> {
        let lent = if offer.revocable { ", on lent resources" } else { "" };
        let text = format!("launching {} on {}{lent}", self.plan.task_id, offer.hostname);
        let fields = json!({
            "agent_id": offer.agent_id, "hostname": offer.hostname, "revocable": offer.revocable,
        });
        self.teller.detail("launching", &text, fields);
        self.launched = true;
        self.launch_taken = false;
        self.placements += 1;
        self.framework.accept(offer.offer_id, self.plan.task_with(resources)).await?;
        self.launch_taken = true;
        self.wish(true).await?;
        self.framework.suppress().await
    }

    /// It cannot have run: the offer was gone, or the launch never arrived.
    pub(super) fn may_place_again(&self, status: &TaskStatus) -> bool {
        let reason = Reason::try_from(status.reason).unwrap_or_default();
        let never_ran = reason == Reason::InvalidOffers
            || (reason == Reason::Reconciliation && !self.launch_taken);
        never_ran && self.followers.is_none() && self.stops == 0 && self.placements < MAX_PLACEMENTS
    }

    pub(super) async fn explain(&mut self) -> Option<Ending> {
        self.explain_at = None;
        let subject = self.framework.id().to_string();
        // It is a courtesy; without an answer the run goes on.
        if let Ok(answer) = self.framework.client().operator().why(WhyRequest { subject }).await {
            self.teller.why(answer.get_ref());
        }
        None
    }

    pub(super) fn not_placed(&self) -> Failure {
        Failure::NotPlaced {
            task: self.plan.task_id.clone(),
            waited: self.timeout.map(span::print).unwrap_or_default(),
        }
    }
}
