//! New RSA keys of 2,048 bits.

use std::sync::{Mutex, TryLockError};

use num_bigint::BigUint;

use super::super::failure::Ec2Error;

/// Half of the key's bits: those of each prime.
const PRIME_BYTES: usize = 128;
const EXPONENT: u32 = 65_537;
/// How often a candidate is tested: what passes is no prime with a chance of 2^-64 at most, and far less
/// for one that was drawn at random.
const ROUNDS: usize = 32;
/// Candidates are divided by all primes below this one first.
const SMALL: u32 = 2_000;

/// One key is made at a time: each takes a processor for a while.
static TURN: Mutex<()> = Mutex::new(());

/// A private key.
pub(super) struct PrivateKey {
    n: BigUint,
    d: BigUint,
    p: BigUint,
    q: BigUint,
}

impl PrivateKey {
    pub(super) fn modulus(&self) -> Vec<u8> {
        self.n.to_bytes_be()
    }

    pub(super) fn exponent(&self) -> Vec<u8> {
        BigUint::from(EXPONENT).to_bytes_be()
    }

    /// Its numbers in the order of RFC 8017 §A.1.2.
    pub(super) fn numbers(&self) -> [Vec<u8>; 8] {
        let one = BigUint::from(1_u32);
        let coefficient = self.q.modinv(&self.p).unwrap_or_default();
        [
            self.modulus(),
            self.exponent(),
            self.d.to_bytes_be(),
            self.p.to_bytes_be(),
            self.q.to_bytes_be(),
            (&self.d % (&self.p - &one)).to_bytes_be(),
            (&self.d % (&self.q - &one)).to_bytes_be(),
            coefficient.to_bytes_be(),
        ]
    }

    /// A number raised to the private exponent.
    #[cfg(test)]
    pub(super) fn sign(&self, number: &BigUint) -> BigUint {
        number.modpow(&self.d, &self.n)
    }
}

/// Makes a key. While another one is made, the client is told to ask again.
pub(super) fn make(fill: fn(&mut [u8])) -> Result<PrivateKey, Ec2Error> {
    let _turn = match TURN.try_lock() {
        Ok(turn) => turn,
        Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
        Err(TryLockError::WouldBlock) => {
            let why = "Another RSA key is being made; ask again, or for one of the type ed25519.";
            return Err(Ec2Error { status: 503, ..Ec2Error::new("RequestLimitExceeded", why) });
        }
    };
    let small = small_primes();
    let one = BigUint::from(1_u32);
    let exponent = BigUint::from(EXPONENT);
    loop {
        let (p, q) = (prime(fill, &small), prime(fill, &small));
        let (p, q) = if p > q { (p, q) } else { (q, p) };
        let phi = (&p - &one) * (&q - &one);
        let n = &p * &q;
        if p != q
            && n.bits() == 16 * PRIME_BYTES as u64
            && let Some(d) = exponent.modinv(&phi)
        {
            return Ok(PrivateKey { n, d, p, q });
        }
    }
}

fn small_primes() -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    for number in 3..SMALL {
        if number % 2 == 1 && primes.iter().all(|prime| number % prime != 0) {
            primes.push(number);
        }
    }
    primes
}

fn prime(fill: fn(&mut [u8]), small: &[u32]) -> BigUint {
    let mut bytes = [0; PRIME_BYTES];
    loop {
        fill(&mut bytes);
        // The product of two such has all of its bits, and is odd.
        bytes[0] |= 0xc0;
        bytes[PRIME_BYTES - 1] |= 1;
        let candidate = BigUint::from_bytes_be(&bytes);
        let divided = |prime: &u32| &candidate % *prime == BigUint::ZERO;
        if !small.iter().any(divided) && is_prime(&candidate, fill) {
            return candidate;
        }
    }
}

/// The test of Miller and Rabin (FIPS 186-5, appendix B.3).
fn is_prime(candidate: &BigUint, fill: fn(&mut [u8])) -> bool {
    let one = BigUint::from(1_u32);
    let last = candidate - &one;
    let twos = last.trailing_zeros().unwrap_or_default();
    let odd = &last >> twos;
    let mut bytes = [0; PRIME_BYTES];
    (0..ROUNDS).all(|_| {
        fill(&mut bytes);
        let base = BigUint::from_bytes_be(&bytes) % candidate;
        if base <= one {
            return true;
        }
        let mut power = base.modpow(&odd, candidate);
        if power == one || power == last {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % candidate;
            power == last
        })
    })
}
