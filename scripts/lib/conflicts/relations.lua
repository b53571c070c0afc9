-- The relations of made-up lists of facts, and how people state and ask them.
--
-- None is a relation of MemoryAgentBench's files, where facts say who wrote, married, founded or leads something, where someone was born,
-- died, worked or studied, and so on. {s} is the subject and {o} the value. A subject has one value at a time.
--
-- The phrases of `named` stand for the value and go where a subject would. A relation without them ends a chain. What has "{s}'s" is for
-- plain names. Where {s} is a long phrase, forms that end with it are preferred.

local relations = {}

-- `only` says that a value belongs to one subject only.
local function relation(name, from, to, said, asked, named, only)
  relations[#relations + 1] = { name = name, from = from, to = to, said = said, asked = asked, named = named, only = only }
end

relation("tutor", "person", "person",
  { "The tutor of {s} was {o}.", "{s} was taught at home by {o}.", "{o} was the private tutor of {s}." },
  { "Who was the tutor of {s}?", "Who was {s}'s teacher at home?", "Who was the private teacher of {s}?" },
  { "the tutor of {s}", "{s}'s tutor", "the private teacher of {s}" })
relation("grave", "person", "chapel",
  { "{s} is buried at {o}.", "The grave of {s} is in the yard of {o}.", "{o} holds the tomb of {s}." },
  { "Where is {s} buried?", "Which chapel holds the tomb of {s}?", "Where can one visit the grave of {s}?" },
  { "the chapel where {s} is buried", "the chapel with the grave of {s}", "the burial place of {s}" })
relation("doctor", "person", "person",
  { "The family doctor of {s} is {o}.", "{s} is treated by {o}.", "When {s} falls ill, {o} makes the house call." },
  { "Who is {s}'s doctor?", "Which physician treats {s}?", "Who is the family doctor of {s}?" },
  { "the family doctor of {s}", "{s}'s physician", "the doctor who treats {s}" })
relation("dog", "person", "dog",
  { "{s}'s dog is called {o}.", "The dog of {s} is named {o}.", "{o} is the dog of {s}." },
  { "What is the name of {s}'s dog?", "What is the dog of {s} called?", "Which dog belongs to {s}?" },
  { "{s}'s dog", "the dog of {s}", "the dog that belongs to {s}" }, true)
relation("landlord", "person", "person",
  { "{s} rents a room from {o}.", "The landlord of {s} is {o}.", "{o} lets the attic to {s}." },
  { "Who is the landlord of {s}?", "From whom does {s} rent a room?", "To whom does {s} pay the rent?" },
  { "the landlord of {s}", "{s}'s landlord", "the person who lets a room to {s}" })
relation("instrument", "person", "instrument",
  { "{s} practises {o} every evening.", "The instrument of {s} is {o}.", "{o} is the instrument of {s}." },
  { "Which instrument does {s} practise?", "What does {s} play?", "What is the instrument of {s}?" })
relation("illness", "person", "illness",
  { "{s} suffers from {o}.", "The illness of {s} is {o}.", "{o} has kept {s} in bed since winter." },
  { "What illness does {s} have?", "Which disease does {s} suffer from?", "What is the illness of {s}?" },
  { "the illness of {s}", "the disease that {s} suffers from", "{s}'s illness" })
relation("lawyer", "person", "person",
  { "{s} is represented in court by {o}.", "The lawyer of {s} is {o}.", "It is {o} who defends {s} in court." },
  { "Who is {s}'s lawyer?", "Which attorney represents {s}?", "Who speaks in court for {s}?" },
  { "the lawyer of {s}", "{s}'s lawyer", "the attorney who represents {s}" })
relation("favourite", "person", "dish",
  { "{s} likes {o} best.", "The favourite dish of {s} is {o}.", "Of all meals, {s} prefers {o}." },
  { "What is {s}'s favourite dish?", "Which meal does {s} prefer?", "What is the favourite food of {s}?" },
  { "the favourite dish of {s}", "the dish that {s} likes best" })
relation("lodging", "person", "inn",
  { "{s} lodges at {o}.", "The inn where {s} stays is {o}.", "{o} has {s} as a permanent guest." },
  { "At which inn does {s} stay?", "Where does {s} lodge?", "Which inn is home to {s}?" },
  { "the inn where {s} stays", "the inn where {s} lodges", "the inn that is home to {s}" })
relation("choir", "person", "choir",
  { "{s} sings in {o}.", "The choir of {s} is {o}.", "{o} counts {s} among its altos." },
  { "Which choir does {s} sing in?", "Of which choir is {s} a member?", "What is the choir of {s}?" },
  { "the choir of {s}", "the choir that {s} sings in", "the choir to which {s} belongs" })
relation("letters", "person", "museum",
  { "The letters of {s} are kept in {o}.", "{s} left all letters and diaries to {o}.", "{o} owns the letters of {s}." },
  { "Which museum keeps the letters of {s}?", "Where are {s}'s letters kept?", "Which museum owns the correspondence of {s}?" },
  { "the museum that keeps the letters of {s}", "the museum with the correspondence of {s}" })
relation("passage", "person", "ship",
  { "{s} emigrated on {o}.", "The ship on which {s} emigrated was {o}.", "{o} took {s} overseas to a new life." },
  { "On which ship did {s} emigrate?", "Which vessel took {s} overseas?", "What was the emigrant ship of {s}?" },
  { "the emigrant ship of {s}", "the ship on which {s} emigrated", "the vessel that took {s} overseas" })
relation("copy", "person", "painting",
  { "A copy of {o} hangs over the fireplace of {s}.", "Over the fireplace {s} has a copy of {o}.", "{o} hangs as a copy over the hearth of {s}." },
  { "Which painting is copied over the hearth of {s}?", "A copy of which painting hangs over the fireplace of {s}?" },
  { "the painting copied over the fireplace of {s}", "the picture that hangs as a copy over the hearth of {s}" })
relation("reading", "person", "book",
  { "{s} reads {o} in bed.", "The book on the night table of {s} is {o}.", "{o} is the book that {s} reads before sleep." },
  { "Which book does {s} read before sleep?", "Which book lies on the night table of {s}?", "What does {s} read in bed?" },
  { "the book on the night table of {s}", "the book that {s} reads in bed", "{s}'s bedtime book" })

relation("vet", "dog", "person",
  { "The vet of {s} is {o}.", "{s} is looked after by the vet {o}.", "It is {o} who vaccinates {s}." },
  { "Who is the vet of {s}?", "Which vet looks after {s}?", "Who vaccinates {s}?" },
  { "the vet of {s}", "the vet who looks after {s}", "the person who vaccinates {s}" })
relation("trainer", "dog", "person",
  { "{s} was trained by {o}.", "The trainer of {s} is {o}.", "{o} taught {s} to sit." },
  { "Who trained {s}?", "Who is the trainer of {s}?", "From whom did {s} learn to sit?" },
  { "the trainer of {s}", "the person who trained {s}" })

relation("captain", "ship", "person",
  { "The captain of {s} is {o}.", "{s} sails under {o}.", "{o} commands {s}." },
  { "Who is the captain of {s}?", "Who commands {s}?", "Under whose command does {s} sail?" },
  { "the captain of {s}", "the person in command of {s}", "the skipper of {s}" }, true)
relation("yard", "ship", "firm",
  { "{s} was built in the yard of {o}.", "The shipyard that built {s} is {o}.", "{o} laid the keel of {s}." },
  { "Which shipyard built {s}?", "In whose yard was {s} built?", "Which firm laid the keel of {s}?" },
  { "the shipyard that built {s}", "the firm that laid the keel of {s}" })
relation("port", "ship", "town",
  { "The home port of {s} is {o}.", "{s} is registered at {o}.", "{o} is the home port of {s}." },
  { "What is the home port of {s}?", "Where is {s} registered?", "Which town is the port of registry of {s}?" },
  { "the home port of {s}", "the town where {s} is registered" })
relation("cargo", "ship", "cargo",
  { "{s} carries {o}.", "The cargo of {s} is {o}.", "The hold of {s} is full of {o}." },
  { "What is the cargo of {s}?", "What freight does {s} carry?", "What is in the hold of {s}?" })
relation("sails", "ship", "colour",
  { "The sails of {s} are {o}.", "{s} has {o} sails." },
  { "What colour are the sails of {s}?", "Which colour do the sails of {s} have?" })

relation("accountant", "firm", "person",
  { "The accountant of {s} is {o}.", "{o} keeps the books of {s}.", "The books of {s} are kept by {o}." },
  { "Who is the accountant of {s}?", "Who keeps the books of {s}?", "Who does the bookkeeping for {s}?" },
  { "the accountant of {s}", "the person who keeps the books of {s}", "the bookkeeper of {s}" })
relation("insurer", "firm", "firm",
  { "{s} is insured with {o}.", "The insurer of {s} is {o}.", "{o} is the insurer of {s}." },
  { "Who insures {s}?", "Which firm is the insurer of {s}?", "With which firm does {s} have its insurance?" },
  { "the insurer of {s}", "the firm that insures {s}" })
relation("trademark", "firm", "animal",
  { "The trademark of {s} is {o}.", "{s} has {o} as its trademark.", "{o} is the emblem of {s}." },
  { "Which animal is the trademark of {s}?", "Which animal is the emblem of {s}?", "What animal does one see in the logo of {s}?" })
relation("watchdog", "firm", "dog",
  { "The watchdog of {s} is {o}.", "{o} is the dog that guards the gate of {s}.", "At night the gate of {s} is guarded by {o}." },
  { "Which dog guards the gate of {s}?", "What is the name of the watchdog of {s}?", "What is the guard dog of {s} called?" },
  { "the watchdog of {s}", "the dog that guards the gate of {s}" }, true)

relation("source", "river", "mountain",
  { "{s} rises on {o}.", "The source of {s} is on {o}.", "From the springs of {o} comes {s}." },
  { "On which mountain does {s} rise?", "Where is the source of {s}?", "Where are the springs of {s}?" },
  { "the mountain where {s} rises", "the mountain with the source of {s}" })
relation("mouth", "river", "lake",
  { "{s} flows into {o}.", "{s} empties into {o}.", "{o} receives the waters of {s}." },
  { "Into which lake does {s} flow?", "Where does {s} end?", "Which lake receives the waters of {s}?" },
  { "the lake that {s} flows into", "the lake at the end of {s}" })
relation("engineer", "bridge", "person",
  { "The engineer of {s} was {o}.", "{s} was designed by {o}.", "{o} drew the plans for {s}." },
  { "Who was the engineer of {s}?", "Who drew the plans for {s}?", "Who designed {s}?" },
  { "the engineer of {s}", "the person who designed {s}" })
relation("span", "bridge", "river",
  { "{s} crosses {o}.", "{s} spans {o}.", "{o} flows under {s}." },
  { "Which river does {s} cross?", "Which river flows under {s}?", "What does {s} span?" },
  { "the river under {s}", "the river that {s} crosses" })

relation("bridge", "town", "bridge",
  { "The oldest bridge in {s} is {o}.", "{o} is the oldest bridge in {s}.", "No bridge in {s} is older than {o}." },
  { "What is the oldest bridge in {s}?", "Which is the most ancient bridge in {s}?" },
  { "the oldest bridge in {s}", "the most ancient bridge in {s}" }, true)
relation("paper", "town", "newspaper",
  { "The daily paper of {s} is {o}.", "In {s}, people read {o} at breakfast.", "{o} is the newspaper of {s}." },
  { "Which newspaper do people read in {s}?", "What is the daily paper of {s}?", "What is the local newspaper of {s}?" },
  { "the daily paper of {s}", "the newspaper of {s}" }, true)
relation("speciality", "town", "dish",
  { "The local dish of {s} is {o}.", "The pride of the cooks in {s} is {o}.", "{o} is the speciality of {s}." },
  { "What is the local dish of {s}?", "Which dish is the speciality of {s}?", "What is the culinary pride of {s}?" },
  { "the local dish of {s}", "the culinary speciality of {s}" })
relation("festival", "town", "festival",
  { "{s} celebrates {o} every year.", "The yearly festival of {s} is {o}.", "{o} draws crowds to {s} each year." },
  { "Which festival does {s} celebrate?", "What is the annual festival of {s}?", "Which celebration draws crowds to {s}?" },
  { "the yearly festival of {s}", "the festival that draws crowds to {s}", "the festival that {s} celebrates" }, true)
relation("clock", "town", "person",
  { "{o} winds the town clock of {s}.", "The town clock of {s} is wound by {o}.", "The keeper of the clock in {s} is {o}." },
  { "Who winds the town clock of {s}?", "Who is the keeper of the clock in {s}?", "Who takes care of the town clock in {s}?" },
  { "the person who winds the town clock of {s}", "the clock keeper of {s}" })

relation("opening", "festival", "person",
  { "{s} is opened by {o}.", "{o} gives the opening speech at {s}.", "The speech that opens {s} is given by {o}." },
  { "Who opens {s}?", "Who gives the opening speech at {s}?", "Who is the first speaker at {s}?" },
  { "the person who opens {s}", "the opening speaker at {s}" })
relation("month", "festival", "month",
  { "{s} takes place in {o}.", "{s} is celebrated in {o}.", "The month of {s} is {o}." },
  { "In which month is {s} held?", "When does {s} take place?", "What is the month of {s}?" })

relation("curator", "museum", "person",
  { "The curator of {s} is {o}.", "{o} looks after the collection of {s}.", "The collection of {s} is in the care of {o}." },
  { "Who is the curator of {s}?", "Who looks after the collection of {s}?", "Who is in charge of the collection of {s}?" },
  { "the curator of {s}", "the person who looks after the collection of {s}" })
relation("exhibition", "painting", "museum",
  { "{s} hangs in {o}.", "{s} can be seen in {o}.", "{o} exhibits {s}." },
  { "In which museum does {s} hang?", "Where can one see {s}?", "Which museum exhibits {s}?" },
  { "the museum where {s} hangs", "the museum that exhibits {s}" })
relation("sitter", "painting", "person",
  { "The sitter for {s} was {o}.", "{s} is a portrait of {o}.", "{o} sat for {s}." },
  { "Who sat for {s}?", "Who was the model for {s}?", "Who is portrayed in {s}?" },
  { "the sitter for {s}", "the person portrayed in {s}", "the model for {s}" })

relation("organ", "chapel", "person",
  { "The organ of {s} is repaired by {o}.", "{o} repairs the organ of {s}.", "When the organ of {s} breaks, {o} mends it." },
  { "Who repairs the organ of {s}?", "Who mends the organ of {s}?", "Who fixes the organ of {s}?" },
  { "the person who repairs the organ of {s}", "the organ mender of {s}" })
relation("stone", "chapel", "stone",
  { "{s} is built of {o}.", "The walls of {s} are {o}.", "{o} was used for the walls of {s}." },
  { "What stone is {s} built of?", "What are the walls of {s} made of?", "Which stone was used for the walls of {s}?" })
relation("bell", "chapel", "firm",
  { "The bell of {s} was cast by {o}.", "{o} cast the bell of {s}.", "The bell of {s} comes from the foundry of {o}." },
  { "Which firm cast the bell of {s}?", "Who made the bell of {s}?", "Which foundry supplied the bell of {s}?" },
  { "the firm that cast the bell of {s}", "the maker of the bell of {s}" })

relation("translator", "book", "person",
  { "The translator of {s} is {o}.", "{s} was translated by {o}.", "{o} translated {s}." },
  { "Who translated {s}?", "Who is the translator of {s}?", "Who made the translation of {s}?" },
  { "the translator of {s}", "the person who translated {s}" })
relation("illustrator", "book", "person",
  { "{s} was illustrated by {o}.", "The pictures in {s} are by {o}.", "{o} drew the pictures for {s}." },
  { "Who illustrated {s}?", "Who drew the pictures in {s}?", "Who is the illustrator of {s}?" },
  { "the illustrator of {s}", "the person who drew the pictures for {s}" })
relation("dedication", "book", "person",
  { "{s} is dedicated to {o}.", "The dedication of {s} names {o}.", "It is {o} to whom {s} is dedicated." },
  { "To whom is {s} dedicated?", "Who is named in the dedication of {s}?", "Whose name is in the dedication of {s}?" },
  { "the person to whom {s} is dedicated", "the person named in the dedication of {s}" })
relation("printer", "book", "firm",
  { "{s} was printed by {o}.", "The printer of {s} is {o}.", "{o} printed {s}." },
  { "Which firm printed {s}?", "Who is the printer of {s}?", "Whose presses produced {s}?" },
  { "the printer of {s}", "the firm that printed {s}" })
relation("setting", "book", "town",
  { "{s} is set in {o}.", "The story of {s} takes place in {o}.", "{o} is the scene of {s}." },
  { "In which town is {s} set?", "Where does the story of {s} take place?", "What is the setting of {s}?" },
  { "the town where {s} is set", "the setting of {s}" })

relation("editor", "newspaper", "person",
  { "The editor of {s} is {o}.", "{s} is edited by {o}.", "{o} decides what goes into {s}." },
  { "Who edits {s}?", "Who is the editor of {s}?", "Who decides what goes into {s}?" },
  { "the editor of {s}", "the person who edits {s}" })
relation("mill", "newspaper", "firm",
  { "{s} buys its paper from {o}.", "The paper for {s} comes from {o}.", "{o} makes the paper for {s}." },
  { "Which firm makes the paper for {s}?", "From which firm does {s} buy its paper?", "Who supplies paper to {s}?" },
  { "the firm that makes the paper for {s}", "the paper supplier of {s}" })

relation("cook", "inn", "person",
  { "The cook at {s} is {o}.", "{o} runs the kitchen of {s}.", "The kitchen of {s} is run by {o}." },
  { "Who is the cook at {s}?", "Who runs the kitchen of {s}?", "Who prepares the meals at {s}?" },
  { "the cook at {s}", "the person who runs the kitchen of {s}", "the chef of {s}" })
relation("brewer", "inn", "firm",
  { "The beer at {s} is brewed by {o}.", "{s} gets its beer from {o}.", "{o} brews the beer for {s}." },
  { "Who brews the beer for {s}?", "Which brewery supplies {s}?", "From which firm does {s} get its beer?" },
  { "the firm that brews the beer for {s}", "the brewery that supplies {s}" })

relation("ingredient", "dish", "ingredient",
  { "The main ingredient of {s} is {o}.", "{s} is made from {o}.", "Nobody can make {s} without {o}." },
  { "What is the main ingredient of {s}?", "What is {s} made from?", "What does one need to make {s}?" })
relation("recipe", "dish", "person",
  { "The recipe for {s} was written down by {o}.", "{o} wrote down the recipe for {s}.", "The cook who wrote down how to make {s} was {o}." },
  { "Who wrote down the recipe for {s}?", "Who recorded how to make {s}?" },
  { "the person who wrote down the recipe for {s}", "the person who recorded how to make {s}" })

relation("remedy", "illness", "herb",
  { "{s} is treated with {o}.", "The remedy for {s} is {o}.", "Only {o} helps against {s}." },
  { "What helps against {s}?", "Which herb is the remedy for {s}?", "Which herb cures {s}?" },
  { "the remedy for {s}", "the herb that helps against {s}" })
relation("discoverer", "illness", "person",
  { "{s} was first described by {o}.", "The discoverer of {s} was {o}.", "{o} discovered {s}." },
  { "Who discovered {s}?", "Who first described {s}?", "Who was the discoverer of {s}?" },
  { "the discoverer of {s}", "the person who first described {s}" })
relation("habitat", "herb", "mountain",
  { "{s} grows only on {o}.", "{s} is found on {o} and nowhere else.", "Only on {o} does one find {s}." },
  { "On which mountain does {s} grow?", "Where does one find {s}?", "What is the only mountain with {s}?" },
  { "the mountain where {s} grows", "the only mountain with {s}" })
relation("ascent", "mountain", "person",
  { "The first person to climb {s} was {o}.", "{s} was first climbed by {o}.", "{o} was the first on the top of {s}." },
  { "Who first climbed {s}?", "Who made the first ascent of {s}?", "Who was the first on the top of {s}?" },
  { "the first person to climb {s}", "the first climber of {s}" })
relation("fish", "lake", "fish",
  { "{s} is full of {o}.", "The fish in {s} are mostly {o}.", "Anglers come for {o} to {s}." },
  { "Which fish live in {s}?", "What do anglers catch in {s}?", "For which fish do anglers come to {s}?" })
relation("ferry", "lake", "ship",
  { "The ferry on {s} is {o}.", "{o} is the ferry on {s}.", "Passengers cross {s} on {o}." },
  { "Which ship is the ferry on {s}?", "Which boat takes passengers across {s}?", "On which ship do passengers cross {s}?" },
  { "the ferry on {s}", "the ship that takes passengers across {s}" }, true)

relation("mascot", "school", "animal",
  { "The mascot of {s} is {o}.", "{s} has {o} as its mascot.", "{o} is the mascot of {s}." },
  { "What is the mascot of {s}?", "Which animal is the mascot of {s}?", "Which animal stands for {s}?" })
relation("caretaker", "school", "person",
  { "The caretaker of {s} is {o}.", "{o} looks after the building of {s}.", "The building of {s} is looked after by {o}." },
  { "Who is the caretaker of {s}?", "Who looks after the building of {s}?", "Who is the janitor of {s}?" },
  { "the caretaker of {s}", "the person who looks after the building of {s}", "the janitor of {s}" })
relation("rehearsal", "choir", "school",
  { "{s} rehearses at {o}.", "The rehearsals of {s} are held at {o}.", "{o} lends its hall to {s}." },
  { "Where does {s} rehearse?", "Which school lends its hall to {s}?", "Which school hosts the rehearsals of {s}?" },
  { "the school where {s} rehearses", "the school that lends its hall to {s}" })
relation("pianist", "choir", "person",
  { "The pianist of {s} is {o}.", "{o} accompanies {s} on the piano.", "At the piano, {s} is accompanied by {o}." },
  { "Who is the pianist of {s}?", "Who accompanies {s} on the piano?", "Who plays the piano for {s}?" },
  { "the pianist of {s}", "the person who plays the piano for {s}" })

return relations
