//! Finding, reading and compiling script files, and the `require` that scripts see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mlua::{ExternalResult, Function, Lua, Table, Value};
use serde_json::{Map, Value as Json};

use super::session::{Loaded, Session};
use super::{interrupt, session};
use crate::api;
use crate::api::{Area, function};
use finemem::{Error, Result, files, record};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

record! {
    struct Reload {
        /// its name, as for `require`
        module: String,
        /// the step from which it applies, for run.json
        step: Option<u64>,
    }
}

const FUNCTIONS: &[api::Function] = &[function! {
    /// Under `finemem-engine run --watch`: reloads a module if its file has changed since it was loaded, or the file of a module that it
    /// requires while loading. From then on `require` returns the new version; values of the old one do not change. A file that cannot be
    /// loaded is reported, and the old version stays. Does nothing without `--watch`.
    "reload" (lua, given: Reload) -> bool: "whether it was reloaded" {
        let session = session(lua);
        Ok(session.options.watch && reload(lua, &session, &given.module, given.step)?)
    }
}];

/// How long reloading a module may take.
const LOADING: Duration = Duration::from_secs(60);

/// The text of a script file.
pub(crate) fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, format!("cannot read the script: {e}")))?;
    files::text(bytes).map_err(|why| Error::format(path, format!("is not a script: it {why}")))
}

/// Compiles a script. Its environment is the sealed globals: they can be read, and assigning a new global is an error.
pub(crate) fn load(lua: &Lua, path: &Path, text: &str) -> mlua::Result<Function> {
    let environment = lua.create_table()?;
    let meta = lua.create_table()?;
    meta.raw_set("__index", lua.globals())?;
    let refuse = api::raising(lua, 2, |lua, values| {
        let (_, name): (Value, Value) = lua.unpack_multi(values)?;
        Err(mlua::Error::runtime(format!("'{0}' is a global, and scripts cannot set globals; write local {0}", name.to_string()?)))
    })?;
    meta.raw_set("__newindex", refuse)?;
    environment.set_metatable(Some(meta))?;
    environment.set_safeenv(true);
    compile(lua, &path.display().to_string(), text, &environment)
}

/// Compiles text in an environment; `name` is used in its messages.
pub(crate) fn compile(lua: &Lua, name: &str, text: &str, environment: &Table) -> mlua::Result<Function> {
    let chunk = lua.load(text).set_mode(mlua::chunk::ChunkMode::Text).set_name(format!("={name}"));
    chunk.set_environment(environment.clone()).into_function()
}

/// The folders in which the modules of a script are looked for: its own, then `scripts` in each folder above it and in the working folder.
pub(crate) fn folders(script: &Path) -> Vec<PathBuf> {
    let own = script.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let absolute = std::path::absolute(&own).unwrap_or_else(|_| own.clone());
    let working = std::env::current_dir().unwrap_or_default();
    let mut folders = vec![own];
    for parent in absolute.ancestors().skip(1).chain([working.as_path()]) {
        let scripts = parent.join("scripts");
        let scripts = scripts.strip_prefix(&working).map_or(scripts.clone(), Path::to_path_buf);
        if !folders.contains(&scripts) && scripts.is_dir() {
            folders.push(scripts);
        }
    }
    folders
}

/// The file of the module `a.b`.
pub(crate) fn find(script: &Path, name: &str) -> Result<PathBuf> {
    let sound = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !name.split('.').all(sound) {
        return Err(Error::argument(format!(
            "'{name}' is not a module's name; write the path below scripts/ with dots, as in \"tools.flat\""
        )));
    }
    let folders = folders(script);
    let file = format!("{}.lua", name.replace('.', "/"));
    let found = folders.iter().map(|folder| folder.join(&file)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let searched: Vec<_> =
            folders.iter().map(|f| if f.as_os_str().is_empty() { ".".into() } else { f.display().to_string() }).collect();
        Error::argument(format!("there is no module '{name}': no file {file} in {}", searched.join(", ")))
    })
}

/// The global `require`. A module is called from Lua, so that its errors have only one traceback.
pub(crate) fn function(lua: &Lua, finemem: Table) -> mlua::Result<Function> {
    let find = api::raising(lua, 3, move |lua, values| {
        let Ok(name) = lua.unpack_multi::<mlua::LuaString>(values) else {
            return Err(mlua::Error::runtime("require takes the name of a module, as in require \"tools.flat\""));
        };
        let (session, name) = (session(lua), name.to_string_lossy());
        let path = find(&session.script.borrow(), &name).into_lua_err()?;
        let text = read(&path).into_lua_err()?;
        let file = Loaded { path: path.clone(), sha256: files::sha256(text.as_bytes()) };
        session.loaded.borrow_mut().push(file.clone());
        session.modules.borrow_mut().insert(name, file);
        Ok(Value::Function(load(lua, &path, &text)?))
    })?;
    let make: Function = lua.load(MODULES).set_name("=finemem").eval()?;
    let modules: Table = make.call((finemem, find))?;
    lua.set_named_registry_value("finemem modules", &modules)?;
    modules.get("require")
}

const MODULES: &str = "
local error, pairs, clone = error, pairs, table.clone
return function(finemem, find)
    -- needs[name]: what a module requires while it is loaded.
    local modules, running, needs, loading = { finemem = finemem }, {}, {}, nil
    local function require(name)
        if loading then needs[loading][name] = true end
        if modules[name] ~= nil then return modules[name] end
        if running[name] then error(\"the module '\" .. name .. \"' requires itself, or has failed before\", 2) end
        local chunk = find(name)
        local outer = loading
        running[name], needs[name], loading = true, {}, name
        local module = chunk()
        loading = outer
        if module == nil then error(\"the module '\" .. name .. \"' returns nothing; a module returns what it offers\", 2) end
        modules[name] = module
        return module
    end
    -- Which of a module and of what it requires has to be loaded again, by name; nothing if it has not.
    local function stale(name, changed)
        local found = {}
        local function visit(name)
            if found[name] == nil then
                found[name] = changed(name)
                for need in pairs(needs[name] or {}) do
                    if visit(need) then found[name] = true end
                end
            end
            return found[name]
        end
        return modules[name] ~= nil and visit(name) and found or nil
    end
    -- Forgets modules; the function that comes back undoes that, and what was loaded since.
    local function forget(names)
        local before, before_running, before_needs = clone(modules), clone(running), clone(needs)
        for name, is in pairs(names) do
            if is then modules[name], running[name] = nil, nil end
        end
        return function()
            modules, running, needs, loading = before, before_running, before_needs, nil
        end
    end
    return { require = require, stale = stale, forget = forget }
end";

/// Reloads a module if files have changed. If it cannot be loaded, nothing changes.
fn reload(lua: &Lua, session: &Session, name: &str, step: Option<u64>) -> mlua::Result<bool> {
    let modules: Table = lua.named_registry_value("finemem modules")?;
    let known = session.modules.borrow().clone();
    let files: BTreeMap<String, String> = known
        .iter()
        .map(|(name, file)| (name.clone(), std::fs::read(&file.path).map_or(String::new(), |bytes| files::sha256(&bytes))))
        .collect();
    let old = known.clone();
    let changed = lua.create_function({
        let files = files.clone();
        move |_, name: String| Ok(old.get(&name).is_some_and(|file| files[&name] != file.sha256))
    })?;
    let Some(stale) = modules.get::<Function>("stale")?.call::<Option<Table>>((name, changed))? else { return Ok(false) };
    let names = stale.pairs::<String, bool>().collect::<mlua::Result<BTreeMap<_, _>>>()?;
    let edited = || names.keys().filter_map(|name| known.get(name).filter(|file| files[name] != file.sha256));
    let list = edited().map(|file| file.path.display().to_string()).collect::<Vec<_>>().join(", ");
    let count = session.loaded.borrow().len();
    let undo: Function = modules.get::<Function>("forget")?.call(stale)?;
    let require: Function = modules.get("require")?;
    match interrupt::within(lua, LOADING, || require.call::<Value>(name)) {
        Ok(_) => {
            session.refused.take();
            session.say(&format!("reloaded {list}"));
            let now = session.modules.borrow();
            let hashes = names.keys().filter_map(|name| now.get(name).filter(|file| known.get(name) != Some(file)));
            let hashes: Map<_, _> = hashes.map(|file| (file.path.display().to_string(), Json::from(file.sha256.as_str()))).collect();
            if let Some(run) = session.run.borrow().as_ref() {
                run.borrow_mut().reloaded(step, hashes).into_lua_err()?;
            }
            Ok(true)
        }
        Err(error) if api::must_pass(&error) => Err(error),
        Err(error) => {
            undo.call::<()>(())?;
            session.loaded.borrow_mut().truncate(count);
            session.modules.replace(known);
            let text = api::message(&error);
            let text = text.split_once("\nstack traceback:").map_or(text.as_str(), |(text, _)| text);
            // It is tried at every step, because the missing part may be in another file, but reported only once.
            let said = format!("{list} cannot be loaded, so the old version stays: {text}");
            if session.refused.replace(Some(said.clone())).as_ref() != Some(&said) {
                session.say(&said);
            }
            Ok(false)
        }
    }
}
