//! What was said on the command line, flag by flag and word by word.
//!
//! Kept beside what the flags mean: two results are alike only if they were asked for alike, and what a trace, a schedule or
//! a double was cannot be had back from what was made of it. Read once, on the main thread.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Id};

/// Each flag that was said, without its dashes, and its value as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked(pub BTreeMap<String, String>);

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut asked = Self::default();
        asked.update_from_arg_matches(matches)?;
        Ok(asked)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for id in matches.ids() {
            // Groups of flags have names, too; their values are the names of their flags.
            let is_group = matches.try_get_many::<Id>(id.as_str()).is_ok();
            if is_group || matches.value_source(id.as_str()) != Some(ValueSource::CommandLine) {
                continue;
            }
            let Ok(Some(values)) = matches.try_get_raw(id.as_str()) else { continue };
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            self.0.insert(id.as_str().replace('_', "-"), values.join(" "));
        }
        Ok(())
    }
}

/// No flag of its own.
impl Args for Asked {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Cli, Verb};

    #[test]
    fn what_was_said_is_kept_word_by_word_and_nothing_else() {
        let line = "loadgen run --slow 1% --target double:service=20us,stall=1ms/1s --skip-max 0.5 --schedule hot";
        let Some(Verb::Run(flags)) = Cli::try_parse_from(line.split(' ')).unwrap().command else { panic!("a run") };
        let asked: Vec<_> = flags.asked.0.iter().map(|(flag, value)| (flag.as_str(), value.as_str())).collect();
        let double = "double:service=20us,stall=1ms/1s";
        assert_eq!(asked, [("schedule", "hot"), ("skip-max", "0.5"), ("slow", "1%"), ("target", double)]);
        assert_eq!(flags.users, None);
        let cli = Cli::try_parse_from(["loadgen", "--users", "300"]).unwrap();
        assert_eq!((cli.flags.asked.0["users"].as_str(), cli.flags.users), ("300", Some(300)));
    }
}
