//! What the flags make of the user model: who there is, what presence means, what users do.

use fanfare_tuning::users::blend::Part;
use fanfare_tuning::users::{Blend, BlendError, Presence, Spread, UserModel};

use super::SettingsError;
use super::traces::Usage;
use crate::args::Flags;
use crate::population::{Kind, Traits};
use crate::schedule::Mix;
use crate::sessions::Sessions;
use crate::targets::TargetName;

/// The model, or the models and their shares.
pub(crate) fn blend(flags: &Flags) -> Result<Blend, BlendError> {
    match &flags.mix {
        Some(text) => Blend::read(text),
        None => Ok(UserModel::find(&flags.model)?.into()),
    }
}

pub(super) fn traits(flags: &Flags, blend: &Blend) -> Traits {
    let presence = target_presence(flags, blend);
    let kind = |Part { model, share }: &Part| Kind {
        share: *share,
        endpoints: flags.endpoints.unwrap_or(model.endpoints_per_user.value),
        contacts: flags.contacts.map_or(model.contacts, |mean| model.contacts.with_mean(mean)),
        internal_share: flags.internal_share.unwrap_or(model.internal_share_baseline.value),
        document: match flags.document {
            Some(value) => Spread::Constant { value: f64::from(value) },
            None => model.document_bytes,
        },
        watchers: match presence {
            Presence::Plain => [1.0, 0.0],
            Presence::Lync => [model.watchers.internal.value, model.watchers.federated.value],
        },
    };
    Traits {
        users: flags.users.unwrap_or(blend.first().users.value),
        kinds: blend.parts().iter().map(kind).collect(),
        seed: flags.seed,
    }
}

/// What presence means in the run: without an engine, nobody composes anything.
pub(super) fn target_presence(flags: &Flags, blend: &Blend) -> Presence {
    if flags.target == TargetName::Embedded { blend.presence() } else { Presence::Plain }
}

/// A composed model has to speak of the scheme's categories: they are told apart by their places.
pub(super) fn check_categories(model: &UserModel) -> Result<(), SettingsError> {
    let scheme = crate::presence::scheme();
    let found = &model.categories.value;
    if model.presence.value == Presence::Plain || scheme.categories().eq(found.iter().map(String::as_str)) {
        return Ok(());
    }
    let expected = scheme.categories().collect::<Vec<_>>().join(", ");
    Err(SettingsError::Categories { model: model.name.clone(), found: found.join(", "), expected })
}

/// What the users of each model do.
pub(super) fn mixes(presence: Presence, blend: &Blend, traits: &Traits, speedup: f64) -> Vec<Mix> {
    let models = blend.parts().iter().map(|part| &part.model);
    models.zip(&traits.kinds).map(|(model, kind)| mix(presence, model, kind, speedup)).collect()
}

fn mix(presence: Presence, model: &UserModel, kind: &Kind, speedup: f64) -> Mix {
    let frequency = model.publications_per_hour.value;
    let categories = model.category_shares.value.clone();
    if presence == Presence::Plain {
        return Mix { frequency, categories, ..Mix::default() };
    }
    Mix {
        frequency,
        categories,
        // Who has one endpoint only has none that is not shown.
        idle: if kind.endpoints > 1.0 { model.second_endpoint_share.value } else { 0.0 },
        policies: model.policy_edits_per_hour.value / frequency,
        sessions: Sessions::of(model, kind.endpoints, speedup),
    }
}

/// The population with documents of the size that will lie there in the end: those of a trace, if they are larger.
pub(super) fn weighed(traits: &Traits, traces: &Usage) -> Traits {
    let shown = traces.replay.as_ref().map(|replay| replay.trace().summary().shown());
    let mean = shown.map_or(0.0, |shown| shown.bytes as f64 / shown.events.max(1) as f64);
    if mean <= traits.mean(|kind| kind.document.mean()) {
        return traits.clone();
    }
    let heavier = |kind: &Kind| Kind { document: Spread::Constant { value: mean }, ..kind.clone() };
    Traits { kinds: traits.kinds.iter().map(heavier).collect(), ..traits.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composed_model_has_to_speak_of_the_schemes_categories() {
        let mut model = UserModel::find("lync-2013").unwrap();
        assert!(check_categories(&model).is_ok());
        model.categories.value.swap(1, 2);
        let error = check_categories(&model).unwrap_err().to_string();
        assert!(error.contains("state, calendarData, note") && error.contains("make presence \"plain\""), "{error}");
        model.presence.value = Presence::Plain;
        assert!(check_categories(&model).is_ok());
    }
}
