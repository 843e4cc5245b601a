-- Others' envelopes are nearly all there are: whoever weighs or counts them reads the table, and no
-- index need be kept in step with every envelope that comes.
DROP INDEX envelopes_foreign;
