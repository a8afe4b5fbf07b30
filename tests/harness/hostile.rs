//! Two tenants, one of whom tries to escape. The application writes into the error log what it can read. So the log
//! shows what it could read, wherever in the life of a request the code ran, and whether or not anything of it was
//! sent.

use crate::{Cell, Server, ServerBuilder};

/// A text that nobody may read in alice's context.
pub const SECRET: &str = "the secret of bob";

/// A text that alice's code reads in her context.
pub const OWN: &str = "alice's own";

/// Lua code that defines `note(r, where)`. It writes into the log what can be read at this place and time.
pub const PEEK: &str = r#"
local function first_line(path)
    local file = io.open(path)
    if not file then return "refused" end
    local line = file:read("*l")
    file:close()
    return line
end
function note(r, where)
    local own, other = first_line("@root@/data/alice/note"), first_line("@root@/data/bob/note")
    r:err("NOTE(" .. where .. ") own=" .. own .. " other=" .. other .. " END")
end
"#;

const RULESETS: &str = r#"
ConfineBackend landlock
<ConfineLandlock alice>
    LandlockRead "@root@/www" "@root@/data/alice" @more@
</ConfineLandlock>
<ConfineLandlock bob>
    LandlockRead "@root@/www" "@root@/data/bob" @more@
</ConfineLandlock>
"#;

/// Loads mod_lua, and makes the rulesets `alice` and `bob`, the data of both, and a folder of alice's in `www/alice`.
/// There is no rule.
pub fn two_tenants(cell: Cell) -> ServerBuilder {
    two_tenants_with(cell, "")
}

/// As [`two_tenants`], with these paths readable in both rulesets. `more` may have further lines after a newline.
pub fn two_tenants_with(cell: Cell, more: &str) -> ServerBuilder {
    cell.server()
        .modules(["lua"])
        .file("data/alice/note", OWN)
        .file("data/bob/note", SECRET)
        .folder("www/alice")
        .config("AddHandler lua-script .lua")
        .config(RULESETS.replace("@more@", more))
}

/// A line that [`PEEK`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The place where the code said it was.
    pub at: String,
    /// What it read of alice's data.
    pub own: String,
    /// What it read of bob's data.
    pub other: String,
}

impl Note {
    /// Whether the code ran in alice's context.
    pub fn is_confined(&self) -> bool {
        self.own == OWN && self.other == "refused"
    }
}

impl Server {
    /// What [`PEEK`] has written so far.
    pub fn notes(&self) -> Vec<Note> {
        let log = self.log();
        let parse = |rest: &str| {
            let (at, rest) = rest.split_once(") own=")?;
            let (own, rest) = rest.split_once(" other=")?;
            let (other, _) = rest.split_once(" END")?;
            Some(Note { at: at.to_owned(), own: own.to_owned(), other: other.to_owned() })
        };
        log.split("NOTE(").skip(1).filter_map(parse).collect()
    }

    /// What was written by code that said it was at `place`.
    pub fn notes_of(&self, place: &str) -> Vec<Note> {
        self.notes().into_iter().filter(|note| note.at == place).collect()
    }
}
