//! The real clients of a server: aws, Python with boto3, and heroku.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::terminal::Terminal;
use super::{Ran, Server, alone, ran, run, tool};

impl Server {
    /// The real `aws` command.
    pub fn aws(&self, arguments: &[&str]) -> Ran {
        self.aws_as(&self.variables, arguments)
    }

    /// The real `aws` command as somebody else.
    pub fn aws_as(&self, variables: &[(String, String)], arguments: &[&str]) -> Ran {
        let mut command = alone(Command::new(tool("CAUSEWAY_TEST_AWS", "aws")));
        command.args(arguments).args(["--output", "json"]);
        self.real(command, variables)
    }

    /// A script of Python's, with boto3 and the variables that `causeway env` gives.
    pub fn python(&self, script: &str) -> Ran {
        let mut command = alone(Command::new(tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python")));
        command.args(["-c", script]);
        self.real(command, &self.variables)
    }

    /// The same while it runs. Its output is to be read.
    pub fn python_child(&self, script: &str) -> Child {
        let mut command = alone(Command::new(tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python")));
        command.args(["-c", script]);
        self.at_home(&mut command, &self.variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// The real `heroku` command. It is run where no repository is: it takes the app, if none is named, from
    /// the remotes of the one that it is run in.
    fn heroku_command(&self) -> Command {
        let mut command = alone(Command::new(tool("CAUSEWAY_TEST_HEROKU", "heroku")));
        command.current_dir(self.data.path());
        command
    }

    /// The real `heroku` command.
    pub fn heroku(&self, arguments: &[&str]) -> Ran {
        self.heroku_as(&self.variables, arguments)
    }

    /// The real `heroku` command, in a directory.
    pub fn heroku_in(&self, directory: &Path, arguments: &[&str]) -> Ran {
        let mut command = self.heroku_command();
        command.args(arguments).current_dir(directory);
        self.real(command, &self.variables)
    }

    /// The real `heroku` command as somebody else.
    pub fn heroku_as(&self, variables: &[(String, String)], arguments: &[&str]) -> Ran {
        let mut command = self.heroku_command();
        command.args(arguments);
        self.real(command, variables)
    }

    /// The real `heroku` command, with something to read.
    pub fn heroku_reading(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.heroku_command();
        command.args(arguments);
        self.at_home(&mut command, &self.variables);
        let file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut &file, input.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut &file).unwrap();
        command.stdin(file);
        ran(command)
    }

    pub(super) fn real(&self, mut command: Command, variables: &[(String, String)]) -> Ran {
        self.at_home(&mut command, variables);
        run(command)
    }

    /// The real `heroku` command, on a terminal.
    pub fn heroku_on_terminal(
        &self,
        variables: &[(String, String)],
        arguments: &[&str],
    ) -> Terminal {
        let mut command = self.heroku_command();
        command.args(arguments);
        self.at_home(&mut command, variables);
        Terminal::start(command)
    }

    /// The real `heroku` command, on a terminal of some width and height.
    pub fn heroku_on(&self, size: (u16, u16), arguments: &[&str]) -> Terminal {
        let mut command = self.heroku_command();
        command.args(arguments);
        self.at_home(&mut command, &self.variables);
        command.env_remove("COLUMNS");
        Terminal::sized(command, size.0, size.1)
    }
}
