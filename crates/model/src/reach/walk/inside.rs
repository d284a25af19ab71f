//! Private NAT gateways: who they send as, and to whom they give answers back.

use super::{At, Dropped, Place, Walk, stop};
use crate::Packet;
use crate::reach::phrase::say;
use crate::reach::{Component, ExplanationCode as Code, Leg};

impl Walk<'_> {
    /// Takes a packet through the interface of a private NAT gateway that it came to.
    pub(super) fn translate(&mut self, at: &At, packet: &Packet) -> Result<Place, Dropped> {
        let (eni, addresses) = (at.eni, &at.interface().addresses);
        let for_itself = addresses.contains(&packet.destination);
        let component = Component::interface(eni);
        if self.leg == Leg::Answer && for_itself {
            if let Some((_, sender)) = self.translated.pop_if(|(by, _)| *by == eni) {
                self.pass(component, say!(GivesBackTo, eni = eni, address = sender));
                return self.travel(at, &Packet { destination: sender, ..*packet });
            }
        } else if self.translated.iter().any(|(by, _)| *by == eni) {
            let because = say!(ComesBackTo, eni = eni);
            return self.block(component, stop(Code::NoRouteToDestination, because));
        } else if let Some(own) = addresses.first().copied().filter(|_| !for_itself) {
            if self.leg == Leg::Answer {
                // To a NAT gateway it is the first packet of a connection of the answerer's own.
                let because = say!(AnswersAs, eni = eni, address = own);
                return self.block(component, stop(Code::NoPossibleDestination, because));
            }
            self.translated.push((eni, packet.source));
            // From here on it is of another connection than those that middleboxes passed on.
            self.passed_on.clear();
            self.source = own;
            self.pass(component, say!(SendsOnAs, eni = eni, address = own));
            return self.travel(at, &Packet { source: own, ..*packet });
        }
        let because = say!(TakesAnswersOnly, eni = eni);
        self.block(component, stop(Code::NoPossibleDestination, because))
    }
}
