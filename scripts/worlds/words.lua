-- Common English words, so that made-up texts also have words that look like those of real ones.

local words = {}

for word in ([[
able about above accept accident account across action active actor actress address adult advice affair after again against age agency agent
agree aid air aircraft airport album alive allow almost alone along already also although always amateur ambassador among amount analysis ancient
animal announce annual another answer anthem any apartment appear apple apply appoint approach area argue arm army around arrange arrest arrive
article artist ask assembly assist associate association assume athlete attack attempt attend attention attorney audience author authority
available average avoid award aware away baby back bad badge balance ball band bank bar base baseball basket basketball bass battle beach bear
beat beautiful become bed before begin behavior behind believe belong below benefit beside best better between beyond bicycle big bill bird birth
black block blood blue board boat body book border born borrow boss both bottle bottom box boy branch brand bread break breakfast bridge brief
bring british broadcast brother brown budget build building burn bus business busy buy cabinet call camera camp campaign cancer candidate capital
captain car card care career carry case castle catch category catholic cause cell center central century ceremony certain chain chair chairman
chairperson challenge championship chance change channel chapel chapter character charge charity check chemical chess chicken chief child
children choice choose church cinema circle citizen citizenship city civil claim class classic clean clear client climb clock close clothes club
coach coast coat code coffee cold collect college color column combine come comedy comic command comment commerce commission committee common
communication community company compare compete complete composer computer concern concert condition conduct conference confirm congress connect
consider constitution construct consul contact contain content contest continent continue contract control convention cook copy corner
corporation correct cost council country county couple course court cousin cover create creator credit cricket crime crisis critic cross crowd
crown culture cup currency current customer cut cycle daily damage dance danger dark data date daughter day dead deal death debate decade decide
decision declare deep defeat defend defense degree delay deliver demand democracy democratic department depend deputy describe desert design
designer desk detail develop developer dialect dictionary die difference difficult digital dinner diplomat direct director discover discuss
disease dish distance district divide division doctor document dog dollar door double doubt down dragon drama draw dream dress drink drive driver
drop drum dry due during dutch duty early earn earth east eastern easy eat economy edge edit edition editor education effect effort egg eight
either elect election electric element eleven emperor empire employ employee employer empty encourage end enemy energy engine engineer england
english enjoy enough enter enterprise entry environment equal escape especially establish estate even evening event ever every evidence examine
example except exchange executive exercise exhibition exist expect expensive experience expert explain express extend eye face fact factory fail
fair faith fall familiar family famous far farm fashion fast father favorite favourite fear feature federal federation feed feel festival few
field fifth fight figure file fill film final finance find fine finger finish fire firm first fish flag flat flight floor flow flower fly focus
folk follow food foot football force foreign forest forget form formal former fortune forward foundation found founder four frame france free
freedom french fresh friend from front fruit fuel full function fund future game garden gas gather general genre german germany get giant gift
girl give glass global goal gold golden good govern government governor grand grass great greek green ground group grow growth guard guess guide
guitar half hall hand handle happen happy harbor hard hat hate head headquarters health hear heart heat heavy height help herb hero high highway
hill history hit hockey hold hole holiday holy home honor hope horse hospital host hot hotel hour house huge human hundred hunt husband ice idea
identify image imagine important improve include income increase independent india indian indicate individual industry influence inform
information injury inside institute institution instrument insurance interest international internet interview introduce invent inventor invest
involve iron island issue italian italy item jacket japan jazz jersey job join joint journal journalist journey judge jump junior just justice
keep key kill kind king kingdom kitchen know knowledge labor lady lake land language large last late laugh launch law lawyer lay lead leader
leadership league learn leave left leg legal legend length less lesson let letter level library license lie life light like limit line link lion
list listen literature little live local locate location long look lord lose loss lost lot love low lunch machine magazine mail main maintain
major make male man manage management manager manner manufacture map march mark market marriage marry mascot mass master match material matter
mayor meal mean measure meat media medical medicine meet meeting member memory mention message metal method middle midnight might military milk
mind mine minister ministry minor minute miss mission mobile model modern moment money month moon more morning most mother motor mountain mouth
move movement movie much murder museum music musical musician must name narrow nation national native natural nature near nearly neck need
network never new news newspaper next night nine noise none north northern note nothing notice novel now nuclear number nurse object ocean off
offer office officer official often oil old olympic once one only open opera operate operation opinion opposite orange orchestra order ordinary
organization origin original orchard other outside over own owner page pain paint painter pair palace paper parent paris park parliament part
partner party pass past path patient pattern pay peace pen people per perfect perform performance perhaps period permit person phone photo
physical piano pick picture piece pilot place plan plane planet plant play player pleasant please poem poet point police policy political
politician pool poor pop pope popular population port position possible post pound power practice prefer premier prepare present president press
pretty prevent price priest prime prince princess principal print prison private prize probably problem process produce producer product
profession professor program project promise promote protect protest proud prove provide province public publish publisher pull punk purchase
purple push queen question quick quiet quite race radio rail railway rain raise range rate rather reach read ready real reason receive recent
record red reduce refer reform region regular relate relation relative release religion remain remember remove rent repeat replace report
reporter represent republic request require research reserve resident resource respect response rest restaurant result retire return reveal
review revolution rice rich ride right ring rise river road rock role roll roman roof room root round route row royal rugby rule run russia
russian safe sail saint salary sale salt same sand saturday save say scene school science scientist scotland screen sculpture sea search season
seat second secret secretary section security see seem sell senate senator send senior sense separate series serious serve service session set
settle seven several shape share sharp ship shirt shoe shop short shot should shoulder show side sign signal silent silver similar simple since
sing singer single sister site six size skill skin sky sleep slow small smart smile snow soccer social society soft software soil soldier solid
some son song soon sort sound source south southern space spain spanish speak speaker special speech speed spell spend spirit sponsor sport
spouse spring square stadium staff stage stamp stand standard star start state station statue status stay steel step still stock stone stop
store storm story strange street strike strong structure student studio study style subject succeed success sugar suggest summer sun supply
support sure surface surprise system table take tale talent talk tall tank target task tax teach teacher team technology television tell ten
tennis term territory test text thank theater theatre theory thing think third thousand threat three throne through throw thursday ticket time
title today together tomorrow tool top total touch tour tourist toward tower town track trade tradition traditional traffic train transfer travel
treat tree trial trip troop trouble truck true trust try turn twelve twenty twin type uncle under uniform union unit united universe university
upper urban use usual valley value various vehicle version very victim victory video view village violin visit voice volume vote wait walk wall
want war warm warn watch water wave way wealth wear weather website wedding week weight welcome west western wheel white whole wide wife wild win
wind window wine wing winner winter wish woman wonder wood word work worker world worry write writer wrong yard year yellow yesterday yet young
youth zone]]):gmatch "%a+" do
  words[#words + 1] = word
end

return words
