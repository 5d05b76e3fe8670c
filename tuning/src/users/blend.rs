//! Several user models in one population, each with its share of the users.
//!
//! Read once, at the start, on the main thread. Its invariant: a [`Blend`] that exists has one to [`PARTS_MAX`] parts,
//! whose shares add up to 1, and all of which mean the same by presence and by its categories, so that they can watch
//! one another.

use std::ops::Range;

use thiserror::Error;

use super::{ModelError, Presence, UserModel};

/// Models in one population: more than anybody tells apart.
pub const PARTS_MAX: usize = 8;

/// How far the shares may be from 1 together: what is lost when somebody writes thirds.
const SHARES_OFF_MAX: f64 = 0.002;

/// Why there is no such population.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlendError {
    /// A model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A part that is not a model and its share.
    #[error("`{0}` is not MODEL:SHARE, such as mobile:0.2 or mobile:20%, with a share above 0")]
    Part(String),
    /// Too many parts.
    #[error("{0} models in one population: at most {PARTS_MAX} are told apart")]
    TooMany(usize),
    /// Shares that are not those of a whole.
    #[error("the shares add up to {0}, and must to 1")]
    Shares(f64),
    /// Models that cannot watch one another.
    #[error("{one} and {other} cannot be in one population: their {what} differ")]
    Unlike {
        /// The first model.
        one: String,
        /// The one that is not like it.
        other: String,
        /// In what.
        what: &'static str,
    },
}

/// A model, and the share of the users who are like it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The model.
    pub model: UserModel,
    /// The share of the users.
    pub share: f64,
}

/// The models of a population.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend {
    parts: Vec<Part>,
}

impl From<UserModel> for Blend {
    fn from(model: UserModel) -> Self {
        Self { parts: vec![Part { model, share: 1.0 }] }
    }
}

impl Blend {
    /// Reads `MODEL:SHARE,…`, where a model is what [`UserModel::find`] finds.
    ///
    /// # Errors
    /// Models that there are not, that are unlike one another, or too many, and shares that are not those of a whole.
    pub fn read(text: &str) -> Result<Self, BlendError> {
        let words: Vec<&str> = text.split(',').collect();
        if words.len() > PARTS_MAX {
            return Err(BlendError::TooMany(words.len()));
        }
        let parts = words.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
        let whole: f64 = parts.iter().map(|part| part.share).sum();
        if (whole - 1.0).abs() > SHARES_OFF_MAX {
            return Err(BlendError::Shares(whole));
        }
        let blend = Self { parts: parts.into_iter().map(|part| Part { share: part.share / whole, ..part }).collect() };
        blend.check()?;
        Ok(blend)
    }

    /// The models and their shares, in the order in which they were named.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The model that was named first: what all have in common can be read from it.
    #[must_use]
    pub fn first(&self) -> &UserModel {
        &self.parts[0].model
    }

    /// The models' names, with their shares where there are several.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.parts[..] {
            [only] => only.model.name.clone(),
            parts => {
                let said = |part: &Part| format!("{}:{}", part.model.name, (part.share * 1e4).round() / 1e4);
                parts.iter().map(said).collect::<Vec<_>>().join(",")
            }
        }
    }

    /// What presence means to all of them.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.first().presence.value
    }

    /// Publications of a user in an hour, in the mean over all.
    #[must_use]
    pub fn publications_per_hour(&self) -> f64 {
        self.parts.iter().map(|part| part.share * part.model.publications_per_hour.value).sum()
    }

    /// Contacts in one subscribe call: as few as the most modest of them asks for at once.
    #[must_use]
    pub fn sign_in_batch(&self) -> u32 {
        self.parts.iter().map(|part| part.model.sign_in_batch.value).min().unwrap_or(1)
    }

    fn check(&self) -> Result<(), BlendError> {
        let first = self.first();
        for Part { model, .. } in &self.parts[1..] {
            let unlike = |what| {
                let (one, other) = (first.name.clone(), model.name.clone());
                BlendError::Unlike { one, other, what }
            };
            if model.presence.value != first.presence.value {
                return Err(unlike("presence"));
            }
            if model.categories.value != first.categories.value {
                return Err(unlike("categories"));
            }
        }
        Ok(())
    }
}

/// Divides so many users by these shares: whole users, the first shares' first, and nobody left over.
#[must_use]
pub fn divide(users: u32, shares: impl Iterator<Item = f64>) -> Vec<Range<u32>> {
    let mut whole = 0.0;
    let mut begin = 0;
    let mut ranges: Vec<Range<u32>> = shares
        .map(|share| {
            whole += share;
            let end = ((whole * f64::from(users)).round() as u32).clamp(begin, users);
            std::mem::replace(&mut begin, end)..end
        })
        .collect();
    if let Some(last) = ranges.last_mut() {
        last.end = users;
    }
    ranges
}

fn part(word: &str) -> Result<Part, BlendError> {
    let wrong = || BlendError::Part(word.to_owned());
    // A path may have a colon in it, and a share has none.
    let (model, share) = word.rsplit_once(':').ok_or_else(wrong)?;
    let (digits, of) = share.strip_suffix('%').map_or((share, 1.0), |digits| (digits, 100.0));
    let share = digits.trim().parse::<f64>().map_err(|_| wrong())? / of;
    if !(share > 0.0 && share <= 1.0) {
        return Err(wrong());
    }
    Ok(Part { model: UserModel::find(model.trim())?, share })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_come_with_their_shares_and_one_alone_has_all() {
        let blend = Blend::read("lync-2013:0.8,mobile:20%").unwrap();
        let [lync, mobile] = blend.parts() else { panic!("{blend:?}") };
        assert_eq!((lync.model.name.as_str(), mobile.model.name.as_str()), ("lync-2013", "mobile"));
        let per_hour = [lync, mobile].map(|part| part.model.publications_per_hour.value);
        assert!((blend.publications_per_hour() - 0.8 * per_hour[0] - 0.2 * per_hour[1]).abs() < 1e-9);
        assert_eq!((blend.name(), blend.presence()), ("lync-2013:0.8,mobile:0.2".to_owned(), Presence::Lync));
        let one = Blend::from(UserModel::find("plain").unwrap());
        assert_eq!((one.name(), one.parts()[0].share), ("plain".to_owned(), 1.0));
        let thirds = Blend::read("plain:0.333,plain:0.333,plain:0.333").unwrap();
        assert!((thirds.parts().iter().map(|part| part.share).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_one_population_is_refused_with_the_reason() {
        let said = |text| Blend::read(text).unwrap_err().to_string();
        for word in ["mobile", "mobile:", "mobile:x", "mobile:0", "mobile:-1", "mobile:1.5", "mobile:NaN", ""] {
            assert!(said(word).contains(&format!("`{word}` is not MODEL:SHARE")), "{}", said(word));
        }
        assert!(said("lync-2013:0.5,mobile:0.2").contains("add up to 0.7"));
        assert!(said("lync-2013:0.5,moblie:0.5").contains("no user model `moblie`"));
        assert!(said("lync-2013:0.5,plain:0.5").contains("their presence differ"));
        assert!(said(&["plain:0.1"; 10].join(",")).contains("at most 8"));
        let mut other = UserModel::find("lync-2013").unwrap();
        other.categories.value.swap(0, 1);
        let parts = [UserModel::find("lync-2013").unwrap(), other].map(|model| Part { model, share: 0.5 });
        assert!(Blend { parts: parts.into() }.check().unwrap_err().to_string().contains("categories differ"));
    }

    #[test]
    fn every_user_is_in_one_part() {
        for (users, shares) in
            [(10, &[0.8, 0.2][..]), (3, &[0.9, 0.05, 0.05]), (7, &[1.0]), (100, &[0.333, 0.333, 0.334])]
        {
            let ranges = divide(users, shares.iter().copied());
            assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, users));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "{ranges:?}");
        }
        assert_eq!(divide(10, [0.8, 0.2].into_iter()), [0..8, 8..10]);
    }
}
