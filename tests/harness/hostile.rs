//! Two tenants, of whom one tries to get out: what an application can read, it notes in the error log, so that it
//! shows wherever in a request's life the code ran, and whether anything of it was sent.

use crate::{Cell, Server, ServerBuilder};

/// What may never be read in alice's context.
pub const SECRET: &str = "the secret of bob";

/// What alice's code reads in her context.
pub const OWN: &str = "alice's own";

/// Lua code that defines `note(r, where)`: it notes what can be read here and now.
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

/// mod_lua, the rulesets `alice` and `bob`, the data of both, a folder of alice's in `www/alice`; no rule.
pub fn two_tenants(cell: Cell) -> ServerBuilder {
    two_tenants_with(cell, "")
}

/// As [`two_tenants`], with these paths readable in both rulesets, and what else stands behind a newline.
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
    /// Where the code said it was.
    pub at: String,
    /// What it read of alice's.
    pub own: String,
    /// What it read of bob's.
    pub other: String,
}

impl Note {
    /// Whether the code ran in alice's context.
    pub fn is_confined(&self) -> bool {
        self.own == OWN && self.other == "refused"
    }
}

impl Server {
    /// What [`PEEK`] noted so far.
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

    /// What code that said it was at `place` noted.
    pub fn notes_of(&self, place: &str) -> Vec<Note> {
        self.notes().into_iter().filter(|note| note.at == place).collect()
    }
}
