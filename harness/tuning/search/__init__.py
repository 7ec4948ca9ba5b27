"""What is drawn while a sweep runs, and who is stopped early: Optuna and ASHA behind one seam."""
