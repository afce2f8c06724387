"""Images and what is known of them: tables, files, patient-level splits, checks, phantoms."""
