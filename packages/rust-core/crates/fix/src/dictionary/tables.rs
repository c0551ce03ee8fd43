//! The tables, of the messages this project speaks. They are the standard's, less what no order of ours can hold: a tag the
//! standard has for a message and this table has not is rejected by a strict session as not defined for it.
//! One table of kinds and values serves both versions; where the versions differ in the values of a field it has both.

use super::Kind;

pub(super) struct FieldDef {
    pub tag: u16,
    pub kind: Kind,
    /// The values there are; empty where any will do.
    pub values: &'static [&'static str],
}

/// A repeating group: the tag of its count, the field each entry begins with, the others, and groups within.
pub(super) struct GroupDef {
    pub count: u16,
    pub first: u16,
    pub fields: &'static [u16],
    pub groups: &'static [GroupDef],
}

pub(super) struct MessageDef {
    pub msg_type: &'static str,
    /// In the order in which one that is missing is named.
    pub required: &'static [u16],
    /// Sorted; without those required.
    pub fields: &'static [u16],
    pub groups: &'static [GroupDef],
}

const fn f(tag: u16, kind: Kind, values: &'static [&'static str]) -> FieldDef {
    FieldDef { tag, kind, values }
}

const fn g(count: u16, first: u16, fields: &'static [u16], groups: &'static [GroupDef]) -> GroupDef {
    GroupDef { count, first, fields, groups }
}

const fn m(
    msg_type: &'static str,
    required: &'static [u16],
    fields: &'static [u16],
    groups: &'static [GroupDef],
) -> MessageDef {
    MessageDef { msg_type, required, fields, groups }
}

pub(super) const HEADER: &[u16] = &[
    8, 9, 34, 35, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 212, 213,
    347, 369, 370, 627, 628, 629, 630,
];
pub(super) const HEADER_REQUIRED: &[u16] = &[8, 9, 35, 49, 56, 34, 52, 10];
pub(super) const TRAILER: &[u16] = &[10, 89, 93];

const PARTIES: GroupDef = g(453, 448, &[447, 452], &[g(802, 523, &[803], &[])]);
const ALLOCS: GroupDef = g(78, 79, &[661, 736, 467, 80], &[]);
const SESSIONS: GroupDef = g(386, 336, &[625], &[]);
const ALTIDS: GroupDef = g(454, 455, &[456], &[]);
const CONTRAS: GroupDef = g(382, 375, &[337, 437, 438, 655], &[]);
const FEES: GroupDef = g(136, 137, &[138, 139, 891], &[]);
const AFFECTED: GroupDef = g(534, 41, &[535, 536], &[]);
const SIDES: GroupDef = g(552, 54, &[37, 198, 11, 526, 1, 660, 581, 528, 15, 12, 13, 58], &[PARTIES, FEES]);
const ALLOCS42: GroupDef = g(78, 79, &[80], &[]);
const SESSIONS42: GroupDef = g(386, 336, &[], &[]);
const CONTRAS42: GroupDef = g(382, 375, &[337, 437, 438], &[]);
const FEES42: GroupDef = g(136, 137, &[138, 139], &[]);
const LEGS42: GroupDef = g(393, 55, &[], &[]);
const RELATED42: GroupDef = g(146, 55, &[], &[]);

pub(super) const MESSAGES_44: &[MessageDef] = &[
    m("0", &[], &[112], &[]),
    m("1", &[112], &[], &[]),
    m("2", &[7, 16], &[], &[]),
    m("3", &[45], &[58, 354, 355, 371, 372, 373], &[]),
    m("4", &[36], &[123], &[]),
    m("5", &[], &[58, 354, 355], &[]),
    m("A", &[98, 108], &[58, 95, 96, 141, 383, 464, 553, 554, 789], &[]),
    m(
        "D",
        &[11, 54, 60, 40, 55],
        &[
            1, 12, 13, 15, 18, 21, 22, 38, 44, 47, 48, 58, 59, 63, 64, 65, 77, 81, 99, 100, 106, 107, 110,
            111, 114, 120, 121, 126, 140, 152, 167, 168, 200, 201, 202, 206, 207, 210, 211, 231, 354, 355,
            376, 388, 389, 423, 427, 432, 460, 461, 494, 526, 528, 529, 541, 581, 582, 583, 660, 762,
        ],
        &[PARTIES, ALLOCS, SESSIONS, ALTIDS],
    ),
    m(
        "F",
        &[41, 11, 54, 60, 55],
        &[
            1, 22, 37, 38, 48, 58, 65, 66, 106, 107, 152, 167, 200, 201, 202, 206, 207, 231, 354, 355, 376,
            460, 461, 526, 541, 581, 583, 586, 660, 762,
        ],
        &[PARTIES, ALTIDS],
    ),
    m(
        "G",
        &[41, 11, 54, 60, 40, 55],
        &[
            1, 12, 13, 15, 18, 21, 22, 37, 38, 44, 47, 48, 58, 59, 63, 64, 65, 66, 77, 99, 100, 106, 107,
            110, 111, 114, 120, 121, 126, 152, 167, 168, 200, 201, 202, 206, 207, 210, 211, 231, 354, 355,
            376, 388, 389, 423, 427, 432, 460, 461, 494, 526, 528, 529, 541, 581, 582, 583, 586, 660, 762,
        ],
        &[PARTIES, ALLOCS, SESSIONS, ALTIDS],
    ),
    m(
        "H",
        &[11, 54, 55],
        &[
            1, 22, 37, 48, 65, 106, 107, 167, 200, 201, 202, 206, 207, 231, 460, 461, 526, 541, 583, 660,
            762, 790,
        ],
        &[PARTIES, ALTIDS],
    ),
    m(
        "AF",
        &[584, 585],
        &[
            1, 22, 48, 54, 55, 65, 106, 107, 167, 200, 201, 202, 206, 207, 231, 336, 460, 461, 526, 541, 625,
            660, 762,
        ],
        &[PARTIES, ALTIDS],
    ),
    m(
        "q",
        &[11, 530, 60],
        &[
            22, 48, 54, 55, 58, 65, 106, 107, 167, 200, 201, 202, 206, 207, 231, 336, 354, 355, 460, 461,
            526, 541, 625, 762,
        ],
        &[ALTIDS],
    ),
    m(
        "r",
        &[37, 530, 531],
        &[
            11, 22, 48, 54, 55, 58, 60, 65, 106, 107, 167, 198, 200, 201, 202, 206, 207, 231, 336, 354, 355,
            460, 461, 526, 532, 533, 541, 625, 762,
        ],
        &[AFFECTED, ALTIDS],
    ),
    m(
        "8",
        &[37, 17, 150, 39, 54, 151, 14, 6, 55],
        &[
            1, 11, 12, 13, 15, 18, 19, 20, 21, 22, 29, 30, 31, 32, 38, 40, 41, 44, 47, 48, 58, 59, 60, 63,
            64, 65, 66, 75, 77, 99, 100, 103, 106, 107, 110, 111, 113, 114, 120, 121, 126, 152, 167, 168,
            198, 200, 201, 202, 206, 207, 210, 211, 231, 336, 354, 355, 376, 378, 381, 388, 389, 423, 424,
            425, 426, 427, 432, 460, 461, 483, 494, 526, 527, 528, 529, 541, 581, 582, 583, 584, 625, 636,
            660, 762, 790, 797, 828, 851, 880, 911, 912,
        ],
        &[PARTIES, CONTRAS, FEES, ALTIDS],
    ),
    m("9", &[37, 11, 41, 39, 434], &[1, 58, 60, 66, 102, 198, 354, 355, 526, 581, 583, 586, 636, 660], &[]),
    m("j", &[372, 380], &[45, 58, 354, 355, 379], &[]),
    m(
        "d",
        &[320, 322, 323],
        &[
            15, 22, 48, 55, 58, 65, 106, 107, 167, 200, 201, 202, 206, 207, 231, 336, 354, 355, 460, 461,
            541, 625, 762,
        ],
        &[ALTIDS],
    ),
    m(
        "AD",
        &[568, 569],
        &[
            11, 17, 22, 37, 48, 54, 55, 58, 65, 106, 107, 150, 167, 200, 201, 202, 206, 207, 231, 263, 336,
            354, 355, 460, 461, 526, 527, 541, 571, 625, 762, 828,
        ],
        &[PARTIES, ALTIDS],
    ),
    m(
        "AE",
        &[571, 570, 32, 31, 75, 60, 55],
        &[
            17, 19, 22, 30, 39, 48, 58, 63, 64, 65, 106, 107, 150, 167, 200, 201, 202, 206, 207, 231, 263,
            354, 355, 460, 461, 527, 528, 541, 568, 748, 762, 828, 880, 912,
        ],
        &[SIDES, ALTIDS],
    ),
    m(
        "AQ",
        &[568, 569, 749, 750, 55],
        &[48, 58, 167, 200, 207, 263, 354, 355, 461, 541, 748, 762],
        &[ALTIDS],
    ),
];

pub(super) const MESSAGES_42: &[MessageDef] = &[
    m("0", &[], &[112], &[]),
    m("1", &[112], &[], &[]),
    m("2", &[7, 16], &[], &[]),
    m("3", &[45], &[58, 354, 355, 371, 372, 373], &[]),
    m("4", &[36], &[123], &[]),
    m("5", &[], &[58, 354, 355], &[]),
    m("A", &[98, 108], &[95, 96, 141, 383], &[]),
    m(
        "D",
        &[11, 21, 55, 54, 60, 40],
        &[
            1, 12, 13, 15, 18, 22, 38, 44, 47, 48, 58, 59, 63, 64, 65, 76, 77, 81, 99, 100, 106, 107, 109,
            110, 111, 114, 120, 121, 126, 140, 152, 167, 168, 200, 201, 202, 206, 207, 210, 211, 231, 354,
            355, 376, 388, 389, 427, 432,
        ],
        &[ALLOCS42, SESSIONS42],
    ),
    m(
        "F",
        &[41, 11, 55, 54, 60],
        &[1, 22, 37, 38, 48, 58, 65, 66, 76, 106, 107, 109, 152, 167, 200, 201, 202, 206, 207, 231, 354, 355],
        &[],
    ),
    m(
        "G",
        &[41, 11, 21, 55, 54, 60, 40],
        &[
            1, 12, 13, 15, 18, 22, 37, 38, 44, 47, 48, 58, 59, 63, 64, 65, 66, 76, 77, 99, 100, 106, 107,
            109, 110, 111, 114, 120, 121, 126, 152, 167, 168, 200, 201, 202, 206, 207, 210, 211, 231, 354,
            355, 376, 388, 389, 427, 432,
        ],
        &[ALLOCS42, SESSIONS42],
    ),
    m("H", &[11, 55, 54], &[1, 22, 37, 48, 65, 76, 106, 107, 109, 167, 200, 201, 202, 206, 207, 231], &[]),
    m(
        "8",
        &[37, 17, 20, 150, 39, 55, 54, 151, 14, 6],
        &[
            1, 11, 12, 13, 15, 18, 19, 21, 22, 29, 30, 31, 32, 38, 40, 41, 44, 47, 48, 58, 59, 60, 63, 64,
            65, 66, 75, 76, 77, 99, 100, 103, 106, 107, 109, 110, 111, 113, 114, 120, 121, 126, 152, 167,
            168, 198, 200, 201, 202, 206, 207, 210, 211, 231, 336, 354, 355, 376, 378, 388, 389, 424, 425,
            426, 427, 432, 439, 440,
        ],
        &[CONTRAS42, FEES42],
    ),
    m("9", &[37, 11, 41, 39, 434], &[1, 58, 60, 66, 76, 102, 109, 198, 354, 355], &[]),
    m("j", &[372, 380], &[45, 58, 354, 355, 379], &[]),
    m(
        "d",
        &[320, 322, 323],
        &[15, 22, 48, 55, 58, 65, 106, 107, 167, 200, 201, 202, 206, 207, 231, 336, 354, 355],
        &[LEGS42, RELATED42],
    ),
];

pub(super) const FIELDS: &[FieldDef] = &[
    f(1, Kind::Text, &[]),
    f(6, Kind::Decimal, &[]),
    f(7, Kind::Count, &[]),
    f(8, Kind::Text, &[]),
    f(9, Kind::Count, &[]),
    f(10, Kind::Text, &[]),
    f(11, Kind::Text, &[]),
    f(12, Kind::Decimal, &[]),
    f(13, Kind::Char, &["1", "2", "3", "4", "5", "6"]),
    f(14, Kind::Decimal, &[]),
    f(15, Kind::Text, &[]),
    f(16, Kind::Count, &[]),
    f(17, Kind::Text, &[]),
    f(18, Kind::Words, &[]),
    f(19, Kind::Text, &[]),
    f(20, Kind::Char, &["0", "1", "2", "3"]),
    f(21, Kind::Char, &["1", "2", "3"]),
    f(
        22,
        Kind::Text,
        &["1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K"],
    ),
    f(29, Kind::Char, &["1", "2", "3", "4"]),
    f(30, Kind::Text, &[]),
    f(31, Kind::Decimal, &[]),
    f(32, Kind::Decimal, &[]),
    f(34, Kind::Count, &[]),
    f(35, Kind::Text, &[]),
    f(36, Kind::Count, &[]),
    f(37, Kind::Text, &[]),
    f(38, Kind::Decimal, &[]),
    f(39, Kind::Char, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E"]),
    f(
        40,
        Kind::Char,
        &[
            "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J",
            "K", "L", "M", "P",
        ],
    ),
    f(41, Kind::Text, &[]),
    f(43, Kind::Boolean, &[]),
    f(44, Kind::Decimal, &[]),
    f(45, Kind::Count, &[]),
    f(47, Kind::Char, &[]),
    f(48, Kind::Text, &[]),
    f(49, Kind::Text, &[]),
    f(50, Kind::Text, &[]),
    f(52, Kind::Timestamp, &[]),
    f(54, Kind::Char, &["1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G"]),
    f(55, Kind::Text, &[]),
    f(56, Kind::Text, &[]),
    f(57, Kind::Text, &[]),
    f(58, Kind::Text, &[]),
    f(59, Kind::Char, &["0", "1", "2", "3", "4", "5", "6", "7"]),
    f(60, Kind::Timestamp, &[]),
    f(63, Kind::Char, &[]),
    f(64, Kind::Date, &[]),
    f(65, Kind::Text, &[]),
    f(66, Kind::Text, &[]),
    f(75, Kind::Date, &[]),
    f(76, Kind::Text, &[]),
    f(77, Kind::Char, &["O", "C", "R", "F"]),
    f(78, Kind::Count, &[]),
    f(79, Kind::Text, &[]),
    f(80, Kind::Decimal, &[]),
    f(81, Kind::Char, &["0", "1", "2", "3", "4", "5", "6"]),
    f(89, Kind::Data, &[]),
    f(90, Kind::Count, &[]),
    f(91, Kind::Data, &[]),
    f(93, Kind::Count, &[]),
    f(95, Kind::Count, &[]),
    f(96, Kind::Data, &[]),
    f(97, Kind::Boolean, &[]),
    f(98, Kind::Int, &["0"]),
    f(99, Kind::Decimal, &[]),
    f(100, Kind::Text, &[]),
    f(102, Kind::Int, &["0", "1", "2", "3", "4", "5", "6", "18", "99"]),
    f(
        103,
        Kind::Int,
        &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "99"],
    ),
    f(106, Kind::Text, &[]),
    f(107, Kind::Text, &[]),
    f(108, Kind::Int, &[]),
    f(109, Kind::Text, &[]),
    f(110, Kind::Decimal, &[]),
    f(111, Kind::Decimal, &[]),
    f(112, Kind::Text, &[]),
    f(113, Kind::Boolean, &[]),
    f(114, Kind::Boolean, &[]),
    f(115, Kind::Text, &[]),
    f(116, Kind::Text, &[]),
    f(120, Kind::Text, &[]),
    f(121, Kind::Boolean, &[]),
    f(122, Kind::Timestamp, &[]),
    f(123, Kind::Boolean, &[]),
    f(126, Kind::Timestamp, &[]),
    f(128, Kind::Text, &[]),
    f(129, Kind::Text, &[]),
    f(136, Kind::Count, &[]),
    f(137, Kind::Decimal, &[]),
    f(138, Kind::Text, &[]),
    f(139, Kind::Char, &[]),
    f(140, Kind::Decimal, &[]),
    f(141, Kind::Boolean, &[]),
    f(142, Kind::Text, &[]),
    f(143, Kind::Text, &[]),
    f(144, Kind::Text, &[]),
    f(145, Kind::Text, &[]),
    f(146, Kind::Count, &[]),
    f(
        150,
        Kind::Char,
        &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I"],
    ),
    f(151, Kind::Decimal, &[]),
    f(152, Kind::Decimal, &[]),
    f(
        167,
        Kind::Text,
        &[
            "CS", "PS", "FUT", "OPT", "CORP", "CB", "FOR", "FXSPOT", "WAR", "MF", "MLEG", "NONE", "REPO",
            "TBOND", "TBILL", "TNOTE", "GO", "REV", "RTS", "?",
        ],
    ),
    f(168, Kind::Timestamp, &[]),
    f(198, Kind::Text, &[]),
    f(200, Kind::Month, &[]),
    f(201, Kind::Int, &["0", "1"]),
    f(202, Kind::Decimal, &[]),
    f(205, Kind::Text, &[]),
    f(206, Kind::Char, &[]),
    f(207, Kind::Text, &[]),
    f(210, Kind::Decimal, &[]),
    f(211, Kind::Decimal, &[]),
    f(212, Kind::Count, &[]),
    f(213, Kind::Data, &[]),
    f(231, Kind::Decimal, &[]),
    f(263, Kind::Char, &["0", "1", "2"]),
    f(320, Kind::Text, &[]),
    f(322, Kind::Text, &[]),
    f(323, Kind::Int, &["1", "2", "3", "4", "5", "6"]),
    f(336, Kind::Text, &[]),
    f(337, Kind::Text, &[]),
    f(347, Kind::Text, &[]),
    f(354, Kind::Count, &[]),
    f(355, Kind::Data, &[]),
    f(369, Kind::Count, &[]),
    f(370, Kind::Timestamp, &[]),
    f(371, Kind::Int, &[]),
    f(372, Kind::Text, &[]),
    f(373, Kind::Int, &[]),
    f(375, Kind::Text, &[]),
    f(376, Kind::Text, &[]),
    f(378, Kind::Int, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "99"]),
    f(379, Kind::Text, &[]),
    f(380, Kind::Int, &[]),
    f(381, Kind::Decimal, &[]),
    f(382, Kind::Count, &[]),
    f(383, Kind::Count, &[]),
    f(386, Kind::Count, &[]),
    f(388, Kind::Char, &[]),
    f(389, Kind::Decimal, &[]),
    f(393, Kind::Count, &[]),
    f(423, Kind::Int, &[]),
    f(424, Kind::Decimal, &[]),
    f(425, Kind::Decimal, &[]),
    f(426, Kind::Decimal, &[]),
    f(427, Kind::Int, &[]),
    f(432, Kind::Date, &[]),
    f(434, Kind::Char, &["1", "2"]),
    f(437, Kind::Decimal, &[]),
    f(438, Kind::Timestamp, &[]),
    f(439, Kind::Text, &[]),
    f(440, Kind::Text, &[]),
    f(447, Kind::Char, &[]),
    f(448, Kind::Text, &[]),
    f(452, Kind::Int, &[]),
    f(453, Kind::Count, &[]),
    f(454, Kind::Count, &[]),
    f(455, Kind::Text, &[]),
    f(456, Kind::Text, &[]),
    f(460, Kind::Int, &[]),
    f(461, Kind::Text, &[]),
    f(464, Kind::Boolean, &[]),
    f(467, Kind::Text, &[]),
    f(483, Kind::Timestamp, &[]),
    f(494, Kind::Text, &[]),
    f(523, Kind::Text, &[]),
    f(526, Kind::Text, &[]),
    f(527, Kind::Text, &[]),
    f(528, Kind::Char, &[]),
    f(529, Kind::Words, &[]),
    f(530, Kind::Char, &["1", "2", "3", "4", "5", "6", "7"]),
    f(531, Kind::Char, &["0", "1", "2", "3", "4", "5", "6", "7"]),
    f(532, Kind::Text, &[]),
    f(533, Kind::Int, &[]),
    f(534, Kind::Count, &[]),
    f(535, Kind::Text, &[]),
    f(536, Kind::Text, &[]),
    f(541, Kind::Date, &[]),
    f(552, Kind::Count, &[]),
    f(553, Kind::Text, &[]),
    f(554, Kind::Text, &[]),
    f(568, Kind::Text, &[]),
    f(569, Kind::Int, &[]),
    f(570, Kind::Boolean, &[]),
    f(571, Kind::Text, &[]),
    f(581, Kind::Int, &[]),
    f(582, Kind::Int, &[]),
    f(583, Kind::Text, &[]),
    f(584, Kind::Text, &[]),
    f(585, Kind::Int, &[]),
    f(586, Kind::Timestamp, &[]),
    f(625, Kind::Text, &[]),
    f(627, Kind::Count, &[]),
    f(628, Kind::Text, &[]),
    f(629, Kind::Timestamp, &[]),
    f(630, Kind::Count, &[]),
    f(636, Kind::Boolean, &[]),
    f(655, Kind::Text, &[]),
    f(660, Kind::Int, &[]),
    f(661, Kind::Int, &[]),
    f(736, Kind::Text, &[]),
    f(748, Kind::Int, &[]),
    f(749, Kind::Int, &[]),
    f(750, Kind::Int, &[]),
    f(762, Kind::Text, &[]),
    f(789, Kind::Count, &[]),
    f(790, Kind::Text, &[]),
    f(797, Kind::Boolean, &[]),
    f(802, Kind::Count, &[]),
    f(803, Kind::Int, &[]),
    f(828, Kind::Int, &[]),
    f(851, Kind::Int, &[]),
    f(880, Kind::Text, &[]),
    f(891, Kind::Int, &[]),
    f(911, Kind::Int, &[]),
    f(912, Kind::Boolean, &[]),
];
