// The wheel ships c10d's header of the Gloo backend but not Gloo's own. These few declarations are
// all that c10d's header needs; no object of these types is made or looked into here.
#pragma once
