//! What may free a reservation. There are two kinds and no third: the clock proves nothing.

use tidegate_wire::pb::orders::v1::{Report, ReportKind};

/// The venue's own word that an order can trade no further, and how much of it traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueEvidence {
    cum_qty_lots: u64,
}

/// The router's proof that no byte of this (id, generation) left for the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeverSentProof {
    generation: u32,
}

/// Either of the two, and only from a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    Venue(VenueEvidence),
    NeverSent(NeverSentProof),
}

/// Which command about its order a report answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    New,
    Cancel,
    /// A question, or none that is known.
    Other,
}

impl Evidence {
    /// What a report proves about the life of its order; `None` when it proves no end.
    ///
    /// A cancel that was never sent says nothing about the order, and a fence speaks only of the command it stopped.
    pub fn of(report: &Report, answers: Answers) -> Option<Self> {
        match report.kind() {
            ReportKind::Reject | ReportKind::Cancelled | ReportKind::Expired | ReportKind::Dead => {
                Some(Self::Venue(VenueEvidence { cum_qty_lots: report.cum_qty_lots }))
            }
            ReportKind::NeverSent if answers != Answers::Cancel => {
                Some(Self::NeverSent(NeverSentProof { generation: report.generation }))
            }
            ReportKind::Fenced if answers == Answers::New => {
                Some(Self::NeverSent(NeverSentProof { generation: report.generation }))
            }
            _ => None,
        }
    }

    /// The quantity that traded by the evidence, in lots.
    pub const fn cum_qty_lots(self) -> u64 {
        match self {
            Self::Venue(evidence) => evidence.cum_qty_lots,
            Self::NeverSent(_) => 0,
        }
    }

    /// The generation a never-sent proof is for.
    pub const fn proves_never_sent(self, generation: u32) -> bool {
        matches!(self, Self::NeverSent(proof) if proof.generation == generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_at_the_venue_or_a_never_sent_is_evidence() {
        use ReportKind as K;
        let venue = [K::Reject, K::Cancelled, K::Expired, K::Dead];
        for number in 0..=15 {
            let kind = K::try_from(number).unwrap();
            let report = Report { kind: number, cum_qty_lots: 3, ..Default::default() };
            for (answers, router) in [
                (Answers::New, &[K::NeverSent, K::Fenced][..]),
                (Answers::Other, &[K::NeverSent]),
                (Answers::Cancel, &[]),
            ] {
                let want = venue.contains(&kind) || router.contains(&kind);
                assert_eq!(Evidence::of(&report, answers).is_some(), want, "{kind:?} {answers:?}");
            }
        }
    }

    #[test]
    fn a_never_sent_proof_is_for_its_generation_alone() {
        let report = Report { kind: ReportKind::NeverSent.into(), generation: 2, ..Default::default() };
        let proof = Evidence::of(&report, Answers::Other).unwrap();
        assert!(proof.proves_never_sent(2) && !proof.proves_never_sent(0));
        assert_eq!(proof.cum_qty_lots(), 0);
    }
}
