//! Finding, reading and compiling script files, and the `require` that scripts see.

use std::path::{Path, PathBuf};

use mlua::{Function, Lua, Table, Value};
use sha2::{Digest, Sha256};

use super::{Loaded, api, session};
use crate::{Error, Result};

/// The text of a script file.
pub(super) fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, format!("cannot read the script: {e}")))?;
    String::from_utf8(bytes).map_err(|_| Error::format(path, "is not a script: scripts are UTF-8 text"))
}

/// A SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compiles a script. Its environment is the sealed globals: reading works, assigning a new global is an error.
pub(super) fn load(lua: &Lua, path: &Path, text: &str) -> mlua::Result<Function> {
    let environment = lua.create_table()?;
    let meta = lua.create_table()?;
    meta.raw_set("__index", lua.globals())?;
    let refuse = api::raising(lua, 2, |lua, values| {
        let (_, name): (Value, Value) = lua.unpack_multi(values)?;
        Err(mlua::Error::runtime(format!("'{0}' is a global, and scripts have none; write local {0}", name.to_string()?)))
    })?;
    meta.raw_set("__newindex", refuse)?;
    environment.set_metatable(Some(meta))?;
    environment.set_safeenv(true);
    let name = format!("={}", path.display());
    lua.load(text).set_mode(mlua::chunk::ChunkMode::Text).set_name(name).set_environment(environment).into_function()
}

/// The folders in which the modules of a script are looked for: its own, then `scripts` in each folder above it and in the working folder.
pub(super) fn folders(script: &Path) -> Vec<PathBuf> {
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
pub(super) fn find(script: &Path, name: &str) -> Result<PathBuf> {
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

/// The global `require`. A module is called from Lua, so that its errors keep their one traceback.
pub(super) fn function(lua: &Lua, finemem: Table) -> mlua::Result<Function> {
    let find = api::raising(lua, 3, move |lua, values| {
        let Ok(name) = lua.unpack_multi::<mlua::LuaString>(values) else {
            return Err(mlua::Error::runtime("require takes the name of a module, as in require \"tools.flat\""));
        };
        let session = session(lua);
        let path = find(&session.script.borrow(), &name.to_string_lossy())?;
        let text = read(&path)?;
        session.loaded.borrow_mut().push(Loaded { path: path.clone(), sha256: sha256(&text) });
        Ok(Value::Function(load(lua, &path, &text)?))
    })?;
    let make: Function = lua.load(REQUIRE).set_name("=finemem").eval()?;
    make.call((finemem, find))
}

const REQUIRE: &str = "
local error = error
return function(finemem, find)
    local modules, running = { finemem = finemem }, {}
    return function(name)
        if modules[name] ~= nil then return modules[name] end
        if running[name] then error(\"the module '\" .. name .. \"' requires itself, or has failed before\", 2) end
        local chunk = find(name)
        running[name] = true
        local module = chunk()
        if module == nil then error(\"the module '\" .. name .. \"' returns nothing; a module returns what it offers\", 2) end
        modules[name] = module
        return module
    end
end";
