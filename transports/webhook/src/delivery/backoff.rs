//! When a MISSED is tried: after `expo_factor * expo_base^min(expo_max, attempts) + constant + random[0,1) * jitter`
//! seconds, and not at all after `max_retries` attempts. The formula and its words are those of lonely pub/sub.

use std::time::Duration;

/// The longest wait, whatever the settings say: thirty days. A time that is further off is a mistake in the settings, and
/// must not overflow.
const LONGEST_SECS: f64 = 30.0 * 86_400.0;

/// How MISSED messages are spread in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackOff {
    /// What the power is multiplied with.
    pub expo_factor: f64,
    /// What is raised to the power.
    pub expo_base: f64,
    /// The power does not grow beyond this.
    pub expo_max: u32,
    /// Seconds that are always waited.
    pub constant: f64,
    /// At most as many seconds more, by chance, so that not all come at once.
    pub jitter: f64,
    /// How often it is tried; after that the MISSED is dropped. The subscription stays.
    pub max_retries: u32,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { expo_factor: 1.0, expo_base: 2.0, expo_max: 10, constant: 1.0, jitter: 2.0, max_retries: 20 }
    }
}

impl BackOff {
    /// How long to wait when it was tried so often; `None` if it is not tried again. `chance` is from 0 up to 1.
    #[must_use]
    pub fn delay(&self, attempts: u32, chance: f64) -> Option<Duration> {
        if attempts >= self.max_retries {
            return None;
        }
        let power = self.expo_base.powf(f64::from(attempts.min(self.expo_max)));
        let secs = self.expo_factor * power + self.constant + chance * self.jitter;
        // Absurd settings make what is no number.
        Some(Duration::from_secs_f64(if secs.is_nan() { 0.0 } else { secs.clamp(0.0, LONGEST_SECS) }))
    }

    /// When to try, in seconds since the epoch, rounded up as the original does; `None` if it is not tried again.
    pub(super) fn retry_at(&self, attempts: u32, now_ms: u64) -> Option<u64> {
        let wait = self.delay(attempts, fastrand::f64())?;
        let at_ms = now_ms.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        Some(at_ms.div_ceil(1000))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_waits_of_the_default_are_those_of_the_original() {
        let waits: Vec<u64> =
            (0..20).map(|attempts| BackOff::default().delay(attempts, 0.0).unwrap().as_secs()).collect();
        assert_eq!(waits[..12], [2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 1025, 1025]);
        assert_eq!(waits[19], 1025);
        assert_eq!(BackOff::default().delay(20, 0.0), None);
    }

    proptest! {
        #[test]
        fn a_wait_is_what_repeated_multiplication_gives(
            factor in 0_u32..5, base in 1_u32..4, most in 0_u32..12, constant in 0_u32..9, jitter in 0_u32..9,
            retries in 0_u32..30, attempts in 0_u32..40, chance in 0.0..1.0,
        ) {
            let back_off = BackOff {
                expo_factor: factor.into(), expo_base: base.into(), expo_max: most,
                constant: constant.into(), jitter: jitter.into(), max_retries: retries,
            };
            let mut power = 1_u64;
            for _ in 0..attempts.min(most) {
                power *= u64::from(base);
            }
            let least = Duration::from_secs(u64::from(factor) * power + u64::from(constant));
            match back_off.delay(attempts, chance) {
                None => prop_assert!(attempts >= retries),
                Some(wait) => {
                    prop_assert!(attempts < retries);
                    prop_assert!(wait >= least);
                    prop_assert!(wait < least + Duration::from_secs(jitter.into()) + Duration::from_micros(1));
                }
            }
        }

        #[test]
        fn no_settings_make_a_time_that_cannot_be(
            expo_factor: f64, expo_base: f64, expo_max: u32, constant: f64, jitter: f64, attempts: u32, now_ms: u64,
        ) {
            let back_off = BackOff { expo_factor, expo_base, expo_max, constant, jitter, max_retries: u32::MAX };
            if let Some(wait) = back_off.delay(attempts, 0.5) {
                prop_assert!(wait.as_secs_f64() <= LONGEST_SECS);
            }
            let _ = back_off.retry_at(attempts, now_ms);
        }
    }
}
