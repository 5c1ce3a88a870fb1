// What every CPU of the architecture has.
#include "interleaved_includes.h"

#include "interleaved/all.h"

const ck_interleaved_table ck_interleaved_baseline = CK_INTERLEAVED_TABLE("baseline");
