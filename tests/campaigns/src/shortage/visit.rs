//! What guests do in a round: they come, read, fill, hold and leave.

use framebroker_tests::{Actor, Broker};

/// Whose calls may fail.
pub struct Guests {
    pub consumer: Actor,
    pub producer: Actor,
}

/// What they were told.
#[derive(Debug, Default)]
pub struct Answers(Vec<(String, String)>);

impl Guests {
    /// A whole visit; what follows from an error is left out.
    pub fn visit(&mut self, broker: &Broker) -> Answers {
        let mut answers = Answers::default();
        for words in ["max_held=6", "max_held=3 delivery=socket", "max_held=1 policy=lossless"] {
            if answers.of(&mut self.consumer, &format!("subscribe stream=cam0 {words}")) {
                for command in ["take 2000", "release", "take 2000", "mappings"] {
                    answers.of(&mut self.consumer, command);
                }
            }
            answers.of(&mut self.consumer, "release");
            answers.of(&mut self.consumer, "drop");
        }
        if answers.of(&mut self.producer, "produce stream=made") {
            let reads = answers.of(&mut self.consumer, "subscribe stream=made max_held=2");
            answers.of(&mut self.producer, "publish count=3");
            if reads {
                answers.of(&mut self.consumer, "take 2000");
                answers.of(&mut self.consumer, "release");
            }
            answers.of(&mut self.consumer, "drop");
        }
        answers.of(&mut self.producer, "drop");
        let mut victim = broker.actor();
        if answers.of(&mut victim, "subscribe stream=cam0 max_held=4") {
            answers.of(&mut victim, "take 2000");
        }
        victim.kill();
        answers
    }
}

impl Answers {
    /// Asks; false where the answer is an error.
    fn of(&mut self, actor: &mut Actor, command: &str) -> bool {
        let answer = actor.ask(command);
        let is_good = !answer.starts_with("error");
        self.0.push((command.to_owned(), answer));
        is_good
    }

    fn bad(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter().filter(|(_, answer)| answer.starts_with("error"))
    }

    pub fn is_good(&self) -> bool {
        self.bad().next().is_none()
    }

    pub fn must_be_good(&self) {
        assert!(self.is_good(), "{self:?}");
    }

    /// Each error says why.
    pub fn must_have_causes(&self, what: &str) {
        for (command, answer) in self.bad() {
            let is_mute = answer.contains("did not answer") || answer.contains("internal");
            assert!(!is_mute, "{what}: {command}: {answer}");
        }
    }

    /// What went wrong, without numbers that differ each time.
    pub fn errors(&self) -> impl Iterator<Item = String> {
        self.bad().map(|(command, answer)| {
            let answer: String = answer.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
            format!("{}: {answer}", command.split(' ').next().unwrap_or_default())
        })
    }
}
