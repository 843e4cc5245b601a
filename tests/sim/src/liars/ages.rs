//! Who lies about ages.

use super::Lie;
use super::frames::{EnvelopeFrame, HoldingFrame, LIFETIME};

/// So long before its end is what is nearly over.
const SPARE_S: u32 = 120;
/// A copy that was handed on so often is handed on no more.
const SPENT: u8 = u8::MAX;

/// The old is new, and was never handed on; the new is nearly over, and spent.
pub(super) fn misdate(frame: Vec<u8>) -> Vec<(Vec<u8>, Option<Lie>)> {
    let altered = misdated_envelope(&frame).or_else(|| misdated_holding(&frame));
    match altered {
        Some(altered) => vec![(altered, Some(Lie::Age))],
        None => vec![(frame, None)],
    }
}

fn misdated_envelope(frame: &[u8]) -> Option<Vec<u8>> {
    let mut said = EnvelopeFrame::parse(frame)?;
    let lifetime_s = u32::from_be_bytes(said.first.get(LIFETIME)?.try_into().ok()?);
    (said.age_s, said.generation) = if said.age_s < lifetime_s / 2 {
        (lifetime_s.saturating_sub(SPARE_S), SPENT)
    } else {
        (0, 0)
    };
    Some(said.encode())
}

fn misdated_holding(frame: &[u8]) -> Option<Vec<u8>> {
    let mut said = HoldingFrame::parse(frame)?;
    let life_s = said.age_s + said.left_s;
    let (left_s, generation) =
        if said.age_s < said.left_s { (life_s.min(SPARE_S.into()), SPENT) } else { (life_s, 0) };
    (said.age_s, said.left_s) = (life_s - left_s, left_s);
    for shelf in &mut said.shelves {
        shelf.0 = generation;
    }
    Some(said.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_is_said_to_be_old_and_the_old_new() {
        let mut envelope = [0; 200];
        envelope[LIFETIME].copy_from_slice(&3600_u32.to_be_bytes());
        for (age_s, said) in [(1799, (3480, SPENT)), (1800, (0, 0))] {
            let frame = EnvelopeFrame::whole(age_s, 3, &envelope).encode();
            let altered = misdate(frame).remove(0).0;
            let altered = EnvelopeFrame::parse(&altered).unwrap();
            assert_eq!((altered.age_s, altered.generation), said);
        }
    }
}
