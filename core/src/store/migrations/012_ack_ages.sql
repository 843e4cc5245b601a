-- Acknowledgements of bodies in fragments take longer than those of letters: a row for each.
INSERT INTO ack_ages VALUES (0, 0);
